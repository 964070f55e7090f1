"""Tests of `make audit` with and without a database of vulnerabilities."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.server import ROOT, free_port


@contextmanager
def database(vulnerable: str) -> Iterator[str]:
    """A server with OSV's protocol and one vulnerability in all versions of one package."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            package = query["package"]
            found = {
                "id": "PYSEC-2026-1",
                "affected": [{"package": package, "versions": [query["version"]]}],
            }
            answer = {"vulns": [found]} if package["name"] == vulnerable else {}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkout with the script and lock files of few packages, which takes less time."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/audit", "requirements-uv.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    locked = (ROOT / "requirements-dev.txt").read_text()
    django = re.search(r"^django==.*\\\n(?: +--hash.*\n)+", locked, re.MULTILINE)
    assert django
    (tmp_path / "requirements-dev.txt").write_text(django[0])
    return tmp_path


def audit(*arguments: str, checkout: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, checkout / "scripts/audit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_known_vulnerability_fails_it_until_it_is_accepted(small: Path) -> None:
    with database("django") as url:
        done = audit("--osv-url", url)
        assert done.returncode == 1
        assert "VULNERABLE: django 5.2" in done.stdout
        assert "PYSEC-2026-1" in done.stdout
        assert audit("--osv-url", url, "--allow-no-data", checkout=small).returncode == 1
        accepted = audit("--osv-url", url, "--ignore-vuln", "PYSEC-2026-1", checkout=small)
        assert (accepted.returncode, accepted.stderr) == (0, "")
        assert "0 are vulnerable" in accepted.stdout


def test_without_data_it_says_so_and_never_that_all_is_well(small: Path) -> None:
    nobody = ("--osv-url", f"http://127.0.0.1:{free_port()}/v1/query")
    for option, status in (((), 3), (("--allow-no-data",), 0)):
        done = audit(*nobody, *option, checkout=small)
        assert done.returncode == status
        assert "COULD NOT AUDIT: no data" in done.stderr
        assert done.stdout == ""


def test_a_broken_audit_is_no_lack_of_data(small: Path) -> None:
    done = audit("--allow-no-data", "--no-such-option", checkout=small)
    assert done.returncode == 1
    assert "COULD NOT AUDIT" not in done.stderr
