"""The portal as it is deployed: gunicorn in processes of its own, on a database of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import requests
from django.db import connections
from requests import Response

from license.tests import keys

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"
PEOPLE = {"vera": "viewers", "oscar": "operators", "ada": "administrators", "stella": ""}
CLIENT_ID, CLIENT_SECRET = "pipeline", "a secret for the pipeline of the tests"

_POPULATE = f"""
from django.contrib.auth.models import Group, User
from allauth.idp.oidc.models import Client
for name, group in {PEOPLE!r}.items():
    user = User.objects.create_user(name, name + "@example.com", {PASSWORD!r})
    if group:
        user.groups.add(Group.objects.get(name=group))
User.objects.create_superuser("admin", "admin@example.com", {PASSWORD!r})
client = Client(id={CLIENT_ID!r}, name="pipeline", response_types="",
    grant_types="client_credentials", scopes="findings:read\\nfindings:write\\nsecurity:read",
    default_scopes="findings:read\\nfindings:write\\nsecurity:read")
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
    url: str
    environment: Mapping[str, str]
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def manage(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """manage.py beside the running server, as an administrator with a shell types it."""
        return manage(self.environment, *arguments, stdin=stdin)

    def install(self, key: str) -> None:
        """Installs a key by `manage.py setlicense -`."""
        done = self.manage("setlicense", "-", stdin=key)
        assert done.returncode == 0, done.stderr

    def put_into_history(self, key: str) -> None:
        """Writes a key that would be refused today, as time or the vendor has left it behind."""
        done = self.manage("shell", "-v0", "-c", _INSTALL_AS_IT_IS, stdin=key)
        assert done.returncode == 0, done.stderr

    def request(self, method: str, path: str, **what: Any) -> Response:
        """What a program sends; see `requests.request` for the rest."""
        return requests.request(method, self.url + path, timeout=30, allow_redirects=False, **what)

    def access_token(self) -> str:
        answer = self.request(
            "POST",
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(CLIENT_ID, CLIENT_SECRET),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def put(self, body: Any, **headers: str) -> Response:
        """PUT /findings from the pipeline."""
        bearer = {"Authorization": f"Bearer {self.access_token()}"}
        return self.request("PUT", "/findings", json=body, headers=bearer | headers)


def manage(
    environment: Mapping[str, str], *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class Databases:
    """Fresh databases of the kind that this test run is about, each a copy of one that is ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = connections["default"].settings_dict
        self.is_postgresql = connections["default"].vendor == "postgresql"
        self.template = self._new("template")
        self.prepare(self.url(self.template))

    def prepare(self, database_url: str) -> None:
        """Makes the tables and rows that every copy begins with."""
        environment = base_environment(self.folder) | {"DATABASE_URL": database_url}
        for arguments in (
            ("migrate", "-v0"),
            ("shell", "-v0", "-c", _POPULATE),
            ("collectstatic", "--no-input", "-v0"),
        ):
            done = manage(environment, *arguments)
            assert done.returncode == 0, done.stderr

    @contextmanager
    def copy(self) -> Iterator[str]:
        """The DATABASE_URL of a copy."""
        name = f"{self.template}_{uuid.uuid4().hex[:8]}"
        if self.is_postgresql:
            self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{self.template}"')
        else:
            shutil.copy(self.folder / self.template, self.folder / name)
        yield self.url(name)
        if self.is_postgresql:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def url(self, name: str) -> str:
        if self.is_postgresql:
            return f"postgres://{self.settings['USER']}@/{self.settings['HOST']}/{name}"
        return f"sqlite:///{self.folder / name}"

    def _new(self, name: str) -> str:
        name = f"{name}_{uuid.uuid4().hex[:8]}"
        if self.is_postgresql:
            self._execute(f'CREATE DATABASE "{name}"')
        return name

    def _execute(self, sql: str) -> None:
        with psycopg.connect(
            host=self.settings["HOST"],
            user=self.settings["USER"],
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(sql.encode())


def base_environment(folder: Path) -> dict[str, str]:
    public_key = folder / "public-key.pem"
    public_key.write_bytes(keys.public_pem())
    # The last is how `make cover` measures the processes that tests start.
    names = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG")
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    return inherited | {
        "DOTENV_PATH": "",
        "SECRET_KEY": "of no use outside a test run, and long enough for the check",
        "PORTAL_URL": "http://localhost",
        "EMAIL_URL": "consolemail://",
        "AWS_ACCOUNT_ID": keys.ACCOUNT,
        "REQUIRE_SECOND_FACTOR": "none",
        "LICENSE_PUBLIC_KEY_PATH": str(public_key),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(databases: Databases, **environment: str) -> Iterator[Server]:
    """A server on a free port, on a copy of the database; `environment` adds to its own."""
    port = free_port()
    with databases.copy() as database_url:
        url = f"http://localhost:{port}"
        whole = base_environment(databases.folder) | {
            "DATABASE_URL": database_url,
            "PORTAL_URL": url,
            **environment,
        }
        server = Server(url, whole, databases.folder / f"{port}.log")
        with serving("threatreaction.wsgi", server, ready="/healthz"):
            yield server


@contextmanager
def worker(environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py processfindings` in a process of its own; it is killed in the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "processfindings"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


@contextmanager
def serving(application: str, server: Server, *, ready: str) -> Iterator[None]:
    """gunicorn at the server's address, from when it answers at the path `ready` on."""
    with server.log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", application, "-b", urlsplit(server.url).netloc],
            cwd=ROOT,
            env=server.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_answers(server, process, ready)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_answers(server: Server, process: subprocess.Popen[bytes], ready: str) -> None:
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
    """What the script has printed by the time that it answers at the path `ready`. It is stopped as
    by Ctrl-C."""
    process = subprocess.Popen(
        script.split(),
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "PORT": str(port), **environment},
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
