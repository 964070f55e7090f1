"""`make panel` in a new checkout, and a customer deployment without the panel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import requests

from license.keyring import load_public_keys
from tests.databases import Databases
from tests.server import free_port, started

# Some of the portal's tests, in some 10 seconds.
QUICK = "test_docs.py or (license and (test_commands.py or test_pages.py))"


def test_make_panel_signs_what_make_run_trusts(checkout: Path, databases: Databases) -> None:
    port = free_port()
    refused = run(checkout, "scripts/panel", PORT=str(port))
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "There is no development signing key yet. Run the portal first: make run"
    ]
    # tests/test_make_run.py lets `make run` migrate.
    databases.copy_to(checkout / "var" / "threatreaction.sqlite3")
    with started(checkout, free_port()):
        pass
    address = f"http://127.0.0.1:{port}/panel"
    with started(checkout, port, "scripts/panel", "/panel/public-key.pem") as printed:
        assert f"{address}/licenses" in printed
        assert "staff@example.com" in printed
        published = requests.get(f"{address}/public-key.pem", timeout=10).content
        trusted = (checkout / "var" / "development-public-key.pem").read_bytes()
        assert load_public_keys(published) == load_public_keys(trusted)
        page = requests.get(f"{address}/licenses", timeout=10)
        assert "sign-in code" in page.text
    with started(checkout, port, "scripts/panel", "/panel/public-key.pem"):
        pass  # again, and nothing stands in its way


def test_a_deployment_without_the_panel_passes_its_own_tests(checkout: Path) -> None:
    shutil.rmtree(checkout / "panel")
    for command in (("git", "init", "-q"), ("git", "add", "--", ":!.venv")):
        assert run(checkout, *command).returncode == 0
    # It collects all tests before it selects some.
    passed = run(checkout, sys.executable, "-m", "pytest", "-n0", "-q", "-k", QUICK)
    assert passed.returncode == 0, passed.stdout
    assert "panel/" not in passed.stdout
    assert re.search(r"^[1-9]\d\d passed, \d{4} deselected", passed.stdout, re.MULTILINE)


def test_the_panel_reads_no_settings_of_the_portal_from_files(checkout: Path) -> None:
    for file in (".env", "var/.env"):
        (checkout / file).write_text("SECRET_KEY=of the portal\n")
    command = (sys.executable, "manage.py", "check")
    assert run(checkout, *command).returncode == 0
    refused = run(checkout, *command, DJANGO_SETTINGS_MODULE="panel.settings")
    assert "Set the SECRET_KEY environment variable" in refused.stderr


def run(checkout: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=checkout,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
