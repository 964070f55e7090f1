"""Runs the portal as deployed: gunicorn in its own processes, with its own database.

The fixture `server` provides a shared server with the initial database. A test that needs another
environment starts its own server with `running`.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import requests
from django.db import connections
from requests import Response

from license.tests import keys
from tests import processes
from tests.shell import Shell, shell

ROOT = processes.ROOT
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

_INSTALL_AS_IT_IS = """
import sys, uuid
from django.utils import timezone
from license.models import License
License.objects.create(key=sys.stdin.read(), jti=str(uuid.uuid4()), plan_untrusted="paid",
    expires_at_untrusted=timezone.now(), installed_at=timezone.now(), source="command")
"""


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    environment: Mapping[str, str]
    log_path: Path
    database_url: str  # of its own copy of the database
    log_start: int = 0  # size of the log in bytes when the test started
    shell: Shell | None = None  # only for the shared server

    @property
    def log(self) -> str:
        """The log since the test started."""
        return self.log_path.read_bytes()[self.log_start :].decode(errors="replace")

    def manage(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a manage.py command in the environment of the server."""
        if self.shell:
            return self.shell.manage(*arguments, stdin=stdin)
        return manage(self.environment, *arguments, stdin=stdin)

    def install(self, key: str) -> None:
        """Install a key with `manage.py setlicense -`."""
        done = self.manage("setlicense", "-", stdin=key)
        assert done.returncode == 0, done.stderr

    def put_into_history(self, key: str) -> None:
        """Add a key to the history without validation."""
        done = self.manage("shell", "-v0", "-c", _INSTALL_AS_IT_IS, stdin=key)
        assert done.returncode == 0, done.stderr

    def request(self, method: str, path: str, **what: Any) -> Response:
        """Send a request without following redirects; `what` is passed to `requests.request`."""
        return requests.request(method, self.url + path, timeout=30, allow_redirects=False, **what)

    def access_token(self) -> str:
        """Request and return an access token of the API client."""
        answer = self.request(
            "POST",
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(CLIENT_ID, CLIENT_SECRET),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def put(self, body: Any, **headers: str) -> Response:
        """Send PUT /findings as the API client."""
        bearer = {"Authorization": f"Bearer {self.access_token()}"}
        return self.request("PUT", "/findings", json=body, headers=bearer | headers)


def manage(
    environment: Mapping[str, str], *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a manage.py command and return its exit status and output."""
    with processes.files(stdin) as files:
        program = processes.start(
            "manage.py",
            *arguments,
            environment=environment,
            stdin=files.stdin,
            stdout=files.stdout,
            stderr=files.stderr,
        )
        try:
            status = program.wait(60)
        finally:
            program.kill()
        return files.completed(["manage.py", *arguments], status)


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
        with psycopg.connect(
            host=self.settings["HOST"],
            user=self.settings["USER"],
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(sql.encode())


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


def free_port() -> int:
    """Return a free port below the range of outgoing connections, for a program to bind."""
    with socket.socket() as probe:
        while True:
            port = random.SystemRandom().randrange(10_000, 32_768)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


@contextmanager
def running(databases: Databases, **environment: str) -> Iterator[Server]:
    """Start a server with a copy of the database and additional environment variables."""
    with databases.copy() as database_url, listening() as (listener, url):
        whole = databases.environment(database_url, url) | environment
        server = Server(url, whole, databases.folder / f"{urlsplit(url).port}.log", database_url)
        with serving("threatreaction.wsgi", server, listener, ready="/healthz"):
            yield server


@contextmanager
def with_shell(server: Server) -> Iterator[Server]:
    """Yield the same server with a Shell, which makes `manage` faster."""
    with shell(server.environment) as administrator:
        yield replace(server, shell=administrator)


def restored(server: Server, databases: Databases) -> Server:
    """Reset the database of a server, and return the server with an empty log."""
    databases.restore(server.database_url)
    return replace(server, log_start=server.log_path.stat().st_size)


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """Yield a bound socket and its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener, f"http://localhost:{listener.getsockname()[1]}"


@contextmanager
def worker(
    environment: Mapping[str, str], log: Path, command: str = "processfindings"
) -> Iterator[processes.Program]:
    """Start the command of a worker, yield its process, and kill it."""
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        process = processes.start(
            "manage.py",
            command,
            environment=environment,
            stdin=nothing,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


@contextmanager
def serving(
    application: str, server: Server, listener: socket.socket, *, ready: str
) -> Iterator[None]:
    """Start gunicorn, wait until the path `ready` returns success, and stop it at the end."""
    with server.log_path.open("wb") as log:
        process = processes.start(
            "gunicorn",
            application,
            "-b",
            "fd://0",
            environment=server.environment,
            stdin=listener,
            stdout=log,
            stderr=log,
        )
    listener.close()  # so that connections fail when gunicorn has stopped
    try:
        _wait_until_it_answers(server, process, ready)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_answers(server: Server, process: processes.Program, ready: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if server.request("GET", ready).ok:
                return
        except requests.ConnectionError:
            assert process.poll() is None, server.log
            time.sleep(0.05)
    raise AssertionError(server.log)


@contextmanager
def started(
    checkout: Path,
    port: int,
    script: str = "scripts/run",
    ready: str = "/healthz",
    **environment: str,
) -> Iterator[str]:
    """Start a script, wait until the path `ready` returns success, and yield the script's output.

    Stops it with SIGINT and asserts that it succeeds.
    """
    process = subprocess.Popen(
        script.split(),
        cwd=checkout,
        env={
            "PATH": os.environ["PATH"],
            "PORT": str(port),
            "GUNICORN_CMD_ARGS": "--workers=1",  # two take twice as long to start
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed: list[str] = []
    assert process.stdout
    for line in process.stdout:
        printed.append(line)
        if "Booting worker" in line:
            break
    try:
        _wait_for(f"http://127.0.0.1:{port}{ready}")
        yield "".join(printed)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0, "".join(printed) + rest
        assert "Traceback" not in rest


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
    raise AssertionError
