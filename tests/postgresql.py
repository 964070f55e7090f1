"""Runs a command with a private PostgreSQL cluster: `python -m tests.postgresql COMMAND...`.

The cluster uses the system's PostgreSQL programs and a temporary folder. It listens only on a Unix
socket in that folder, and is deleted when the command ends.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SUPERUSER = "portal"


def program(name: str) -> str:
    """Return the path of a PostgreSQL server program, which Debian does not add to PATH.

    Exits with a message if it is not installed.
    """
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    found = str(newest[-1]) if newest else shutil.which(name)
    if found is None:
        sys.exit(f"PostgreSQL's {name} is missing. On Debian: apt-get install postgresql")
    return found


def _version(path: Path) -> int:
    return int(path.parts[-3])


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster, yield its DATABASE_URL, and delete it."""
    # PostgreSQL refuses to run as root.
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    ids: Any = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    folder = Path(tempfile.mkdtemp(prefix="portal-pg-", dir="/tmp"))
    try:
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [program("initdb"), "-D", "data", "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync"],
            cwd=folder, check=True, stdout=subprocess.DEVNULL, **ids,
        )  # fmt: skip
        server = subprocess.Popen(
            [program("postgres"), "-D", "data", "-k", str(folder), "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
             "-c", "log_min_messages=panic"],
            cwd=folder, **ids,
        )  # fmt: skip
        try:
            _wait_until_ready(folder)
            yield f"postgres://{SUPERUSER}@/{folder}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown, without waiting for clients
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(folder: Path) -> None:
    for _ in range(100):
        ready = subprocess.run(
            [program("pg_isready"), "-q", "-h", str(folder), "-U", SUPERUSER, "-d", "postgres"],
            check=False,
        )
        if ready.returncode == 0:
            return
        signal.sigtimedwait([], 0.1)
    sys.exit("The private PostgreSQL cluster did not start.")


def main(command: list[str]) -> int:
    """Run the command with DATABASE_URL set and return its exit status."""

    def stop(number: int, frame: object) -> None:
        sys.exit(128 + number)  # runs the `finally` blocks above

    for number in (signal.SIGTERM, signal.SIGHUP):  # SIGHUP when the terminal closes
        signal.signal(number, stop)
    with cluster() as database_url:
        return subprocess.run(
            command, env=os.environ | {"DATABASE_URL": database_url}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
