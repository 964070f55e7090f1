"""Runs the portal as deployed: gunicorn in its own processes, with its own database.

The fixture `server` provides a shared server with the initial database. A test that needs another
environment starts its own server with `running`.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import Response

from tests import processes
from tests.databases import CLIENT_ID, CLIENT_SECRET, Databases
from tests.shell import Shell, shell

ROOT = processes.ROOT

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
