"""Starts Python programs in forks of a process that has imported their libraries, which saves time.

Each program runs in its own process, as from a shell: with its own arguments, environment, stdin,
stdout, stderr and exit status. The libraries are those that do not need the project's settings.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.reduction import DupFd
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parent.parent
# Not prometheus_client, which reads the environment when it is imported. tests.freeze comes last.
_LIBRARIES = [
    "boto3.session",
    "botocore.client",
    "cryptography.x509",
    "django.contrib.admin.utils",
    "django.contrib.auth.hashers",
    "django.contrib.staticfiles.finders",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.test.client",
    "django.views.generic",
    "duckdb",
    "environ",
    "fido2.webauthn",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "icalendar",
    "ijson",
    "jwt",
    "msgspec",
    "oauthlib.oauth2",
    "psycopg",
    "pydantic",
    "pydantic.json_schema",
    "requests",
    "s3transfer.manager",
    "standardwebhooks",
    "xml.sax.handler",
    "yaml",
    "tests.freeze",
]
_forks = get_context("forkserver")
_forks.set_forkserver_preload(_LIBRARIES)


class File(Protocol):
    """What has a file descriptor."""

    def fileno(self) -> int: ...


class Files:
    """The stdin of a program, and what it writes to stdout and stderr."""

    def __init__(self, *files: Any) -> None:
        self.stdin, self.stdout, self.stderr = files

    def completed(self, arguments: Sequence[str], status: int) -> subprocess.CompletedProcess[str]:
        """Return the result of a program that has ended with this exit status."""
        texts = []
        for file in (self.stdout, self.stderr):
            file.seek(0)
            texts.append(file.read().decode())
        return subprocess.CompletedProcess(arguments, status, *texts)


@contextmanager
def files(stdin: str) -> Iterator[Files]:
    """Make the files of a program that reads this text."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        yield Files(given, out, err)


class Program:
    """A running program, with a part of the interface of subprocess.Popen."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid: int = process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while the program runs."""
        status: int | None = self._process.exitcode
        return status

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status. Raises TimeoutExpired."""
        self._process.join(timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the program has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    program: str,
    *arguments: str,
    environment: Mapping[str, str],
    stdin: File,
    stdout: File,
    stderr: File,
) -> Program:
    """Start a script of the project (`manage.py`) or a module (`gunicorn`) in the checkout."""
    files = [DupFd(file.fileno()) for file in (stdin, stdout, stderr)]
    process = _forks.Process(
        target=_run, args=(program, arguments, dict(environment), files), name=program
    )
    process.start()
    return Program(process)


def _run(
    program: str, arguments: Sequence[str], environment: dict[str, str], files: list[Any]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    run_here(program, arguments, [file.detach() for file in files])


def run_here(program: str, arguments: Sequence[str], files: Sequence[int]) -> None:
    """Run a program in this process of multiprocessing, with these as stdin, stdout and stderr."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = [program, *arguments]
    try:
        if program.endswith(".py"):
            runpy.run_path(program, run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # multiprocessing does not
