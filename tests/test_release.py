"""`manage.py release` waits for the database, within limits. tests/image.py tests the rest."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import processes
from tests.databases import base_environment
from tests.server import free_port


@contextmanager
def release(log: Path, *arguments: str) -> Iterator[processes.Program]:
    """Start it with a database that does not respond, and kill it."""
    url = f"postgres://portal:hunter2secret@127.0.0.1:{free_port()}/portal"
    with processes.files("") as files, log.open("wb") as errors:
        process = processes.start(
            "manage.py",
            "release",
            *arguments,
            environment=base_environment(log.parent) | {"DATABASE_URL": url},
            stdin=files.stdin,
            stdout=files.stdout,
            stderr=errors,
        )
    try:
        yield process
    finally:
        process.kill()


def test_release_tries_again_until_its_limit(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with release(log, "--wait", "0.1") as process:
        assert process.wait(60) == 3
    errors = log.read_text()
    assert "Trying again." in errors
    assert errors.splitlines()[-1].startswith("Database error: ")
    assert "Traceback" not in errors
    assert "hunter2secret" not in errors


def test_sigterm_ends_the_wait(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with release(log) as process:
        deadline = time.monotonic() + 60
        while "Trying again." not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
