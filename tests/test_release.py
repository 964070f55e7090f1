"""`manage.py release` waits for the database, within limits. tests/image.py tests the rest."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.server import ROOT, base_environment, free_port


@contextmanager
def release(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start it with a database that does not respond."""
    url = f"postgres://portal:hunter2secret@127.0.0.1:{free_port()}/portal"
    with subprocess.Popen(
        [sys.executable, "manage.py", "release", *arguments],
        cwd=ROOT,
        env=base_environment(folder) | {"DATABASE_URL": url},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def test_release_tries_again_until_its_limit(tmp_path: Path) -> None:
    with release(tmp_path, "--wait", "0.1") as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 3
    assert "Trying again." in errors
    assert errors.splitlines()[-1].startswith("Database error: ")
    assert "Traceback" not in errors
    assert "hunter2secret" not in errors


def test_sigterm_ends_the_wait(tmp_path: Path) -> None:
    with release(tmp_path) as process:
        assert process.stderr
        assert "Trying again." in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
