"""Databases for servers and commands in other processes, with users and an API client."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from django.db import connections

from license.tests import keys
from tests.shell import shell

PASSWORD = "correct horse battery staple"
PEOPLE = {"vera": "viewers", "oscar": "operators", "ada": "administrators", "stella": ""}
CLIENT_ID, CLIENT_SECRET = "pipeline", "a secret for the pipeline of the tests"

SCOPES = (
    "findings:read\nfindings:write\nfindings:triage\nactions:write\nbuckets:write\nsecurity:read"
    "\nnotifications:read\nnotifications:write"
)
_POPULATE = f"""
from django.contrib.auth.models import Group, User
from allauth.idp.oidc.models import Client
for name, group in {PEOPLE!r}.items():
    user = User.objects.create_user(name, name + "@example.com", {PASSWORD!r})
    if group:
        user.groups.add(Group.objects.get(name=group))
User.objects.create_superuser("admin", "admin@example.com", {PASSWORD!r})
client = Client(id={CLIENT_ID!r}, name="pipeline", response_types="",
    grant_types="client_credentials", scopes={SCOPES!r}, default_scopes={SCOPES!r})
client.set_secret({CLIENT_SECRET!r})
client.save()
"""


class Databases:
    """Creates databases on the engine of this test run, as copies of a template.

    The first pytest worker creates the template and collects the static files in `shared`. The
    template starts as a copy of the database `migrated`, or else empty.
    """

    name = "portal"

    def __init__(self, folder: Path, shared: Path | None = None, migrated: str = "") -> None:
        self.folder = folder
        self.shared = shared or folder
        self.settings = connections["default"].settings_dict
        self.is_postgresql = connections["default"].vendor == "postgresql"
        ready = self.shared / f"{self.name}-template"
        with (self.shared / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists():
                template = self._name(self.shared)
                self._fill(template, migrated)
                self.prepare(self._url(template))
                ready.write_text(template)
        self.template = ready.read_text()

    def prepare(self, database_url: str) -> None:
        """Create the tables and rows of the template, and collect static files."""
        self._run(
            self.environment(database_url),
            ("migrate", "-v0"),
            ("shell", "-v0", "-c", _POPULATE),
            ("collectstatic", "--no-input", "-v0", "--ignore", "swagger*"),
        )

    def _run(self, environment: Mapping[str, str], *commands: tuple[str, ...]) -> None:
        with shell(environment) as administrator:
            for arguments in commands:
                done = administrator.manage(*arguments)
                assert done.returncode == 0, done.stderr

    def environment(self, database_url: str, url: str = "http://localhost") -> dict[str, str]:
        """Return the environment of a portal with this database and the PORTAL_URL `url`."""
        return base_environment(self.folder) | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_STATIC_ROOT": str(self.shared / f"{self.name}-static"),
            "DATABASE_URL": database_url,
            "PORTAL_URL": url,
        }

    @contextmanager
    def copy(self) -> Iterator[str]:
        """Create a copy, yield its DATABASE_URL, and delete it."""
        name = self._name(self.folder)
        self._fill(name, self.template)
        yield self._url(name)
        self._drop(name)

    def copy_to(self, path: Path) -> None:
        """Create a copy in a file; only on SQLite."""
        self._fill(str(path), self.template)

    def restore(self, database_url: str) -> None:
        """Reset a copy to the template, also while a server uses it."""
        name = database_url.removeprefix(self._url(""))
        if self.is_postgresql:
            self._drop(name)
        self._fill(name, self.template)

    def _fill(self, name: str, original: str) -> None:
        """Make a database a copy of another; without a name of another, an empty database."""
        if self.is_postgresql:
            self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{original or "template1"}"')
            return
        with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(name)) as copy:
            source.backup(copy)  # in one transaction

    def _drop(self, name: str) -> None:
        if self.is_postgresql:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _name(self, folder: Path) -> str:
        """Return the name of a new database; for SQLite, the path of its file."""
        name = f"{self.name}_{uuid.uuid4().hex[:8]}"
        return name if self.is_postgresql else str(folder / name)

    def _url(self, name: str) -> str:
        if self.is_postgresql:
            return f"postgres://{self.settings['USER']}@/{self.settings['HOST']}/{name}"
        return f"sqlite:///{name}"

    def _execute(self, sql: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.encode())

    def connect(self) -> psycopg.Connection:
        """Connect to the PostgreSQL server, and to none of the databases."""
        return psycopg.connect(
            host=self.settings["HOST"],
            user=self.settings["USER"],
            dbname="postgres",
            autocommit=True,
        )


def base_environment(folder: Path) -> dict[str, str]:
    """Return an environment without a database. Writes the public key to `folder`."""
    public_key = folder / "public-key.pem"
    public_key.write_bytes(keys.public_pem())
    # `make cover` uses the last one to measure child processes.
    names = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG")
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    return inherited | {
        "DOTENV_PATH": "",
        "SECRET_KEY": "of no use outside a test run, and long enough for the check",
        "EMAIL_URL": "consolemail://",
        "AWS_ACCOUNT_ID": keys.ACCOUNT,
        "REQUIRE_SECOND_FACTOR": "none",
        "LICENSE_PUBLIC_KEY_PATH": str(public_key),
    }
