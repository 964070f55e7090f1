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
def cluster(*, tls_port: int | None = None) -> Iterator[str]:
    """Start a cluster, yield its DATABASE_URL, and delete it.

    With `tls_port`, it also listens on that port of 127.0.0.1, for TLS and passwords.
    """
    # PostgreSQL refuses to run as root.
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    ids: Any = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    folder = Path(tempfile.mkdtemp(prefix="portal-pg-", dir="/tmp"))
    try:
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [program("initdb"), "-D", "data", "-U", SUPERUSER, "--auth-local", "trust",
             "--auth-host", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            cwd=folder, check=True, stdout=subprocess.DEVNULL, **ids,
        )  # fmt: skip
        listen = _with_tls(folder, tls_port, ids) if tls_port else ["-c", "listen_addresses="]
        server = subprocess.Popen(
            [program("postgres"), "-D", "data", "-k", str(folder), *listen,
             "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
             "-c", "log_min_messages=panic"],
            cwd=folder, **ids,
        )  # fmt: skip
        try:
            _wait_until_ready(folder, tls_port or 5432)
            yield f"postgres://{SUPERUSER}@/{folder}/postgres" + (
                f"?port={tls_port}" if tls_port else ""
            )
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown, without waiting for clients
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_tls(folder: Path, port: int, ids: Any) -> list[str]:
    """Create a certificate and turn TLS on. Return the server's options."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "server.key", "-out", "server.crt"],
        cwd=folder / "data", check=True, stderr=subprocess.DEVNULL, **ids,
    )  # fmt: skip
    with (folder / "data/postgresql.conf").open("a") as file:
        file.write("ssl = on\n")  # not an option, which ALTER SYSTEM could not change
    return ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"]


def _wait_until_ready(folder: Path, port: int) -> None:
    where = ["-h", str(folder), "-p", str(port), "-U", SUPERUSER, "-d", "postgres"]
    for _ in range(100):
        ready = subprocess.run([program("pg_isready"), "-q", *where], check=False)
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
