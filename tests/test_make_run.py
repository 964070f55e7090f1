"""Tests of `make run`: its script, in a copy of the checkout."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import textwrap
from contextlib import closing
from pathlib import Path

import requests

from tests.server import ROOT, free_port, started


def kept(checkout: Path) -> dict[str, object]:
    """Return the files of var/ and the rows that a second start must not change."""
    var = checkout / "var"
    found: dict[str, object] = {
        path.name: path.read_bytes()
        for path in var.iterdir()
        if path.is_file() and "sqlite3" not in path.name
    }
    with closing(sqlite3.connect(var / "threatreaction.sqlite3")) as database:
        for table in (
            "license_license",
            "auth_user",
            "auth_user_groups",
            "allauth_idp_oidc_client",
            "findings_threatpolicy",
            "findings_policychange",
            "findings_finding",
            "detectors_bucket",
            "detectors_sum",
            "detectors_episode",
            "django_migrations",
        ):
            # Not when the API client last got a token.
            is_client = table == "allauth_idp_oidc_client"
            columns = "id, name, secret, scopes, created_at" if is_client else "*"
            rows = database.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608
            assert rows or table == "auth_user_groups"
            found[table] = rows
    return found


def run(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python script next to `make run`, with no other environment."""
    return subprocess.run(
        [".venv/bin/python", *arguments],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def fill_in(browser: requests.Session, url: str, **fields: str) -> requests.Response:
    """Send the form of a page, and return the page after it."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(url).text)
    assert token
    return browser.post(url, fields | {"csrfmiddlewaretoken": token[1]})


def in_the_readme(command: str) -> str:
    """Return the output of a command in README.md."""
    shown = re.search(
        rf"^    {re.escape(command)}\n\n.*?\n\n((?:    [^\n]*\n)+)",
        (ROOT / "README.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert shown
    return textwrap.dedent(shown[1])


def test_a_newcomer_runs_it_sets_a_rule_and_runs_it_again(checkout: Path, tmp_path: Path) -> None:
    port = free_port()
    elsewhere = tmp_path / "url"
    elsewhere.write_text("sqlite:////nowhere/at/all.sqlite3")
    environment = {
        "ADMIN_PASSWORD": "correct horse battery",
        "DATABASE_URL_FILE": str(elsewhere),  # of another portal: it is left alone
    }
    with started(checkout, port, **environment) as printed:
        assert f"http://127.0.0.1:{port}\n" in printed
        assert "Installed a trial license for AWS account 210987654321" in printed
        # A shell beside it needs no variables, and the reaction is the README's.
        sent = run(checkout, "manage.py", "samplefinding")
        assert sent.stdout.replace(str(port), "8000") == in_the_readme("make finding")
        curl = re.search(r"^curl .*?}'$", printed, re.MULTILINE | re.DOTALL)
        assert curl, printed
        answer = subprocess.run(
            ["bash", "-c", curl[0]], check=True, capture_output=True, text=True, timeout=30
        )
        assert '"to":"BLOCK"' in answer.stdout
        browser = requests.Session()
        page = fill_in(
            browser,
            f"http://127.0.0.1:{port}/accounts/login/",
            login="admin",
            password="correct horse battery",
        )
        assert page.url == f"http://127.0.0.1:{port}/"
        # The samples are there: what was found on these days, and of every severity.
        assert "52 findings by day" in page.text
        assert page.text.count("<rect ") > 20
        # What the starter policy asks of them is there too, as a dry run and logged.
        for kind in ("Block", "Revoke", "Save"):
            assert f"{kind}: dry run" in page.text
        assert "starterpolicy" in browser.get(f"http://127.0.0.1:{port}/changes").text
        license_page = f"http://127.0.0.1:{port}/license"
        assert "Writes are enabled." in browser.get(license_page).text
        # The license expires at once, and the printed key is its renewal.
        expired = run(checkout, "scripts/expire-license", DOTENV_PATH="var/.env")
        assert expired.stdout.startswith("The license expired at "), expired.stderr
        assert "License: Expired." in browser.get(f"http://127.0.0.1:{port}/threats").text
        assert f" on the License page: {license_page}\n" in expired.stdout
        fill_in(browser, license_page, key=expired.stdout.split()[-1])
        assert "Writes are enabled." in browser.get(license_page).text
    before = kept(checkout)
    for secret in (".env", "development-signing-key.pem"):
        assert (checkout / "var" / secret).stat().st_mode & 0o077 == 0
    assert "correct horse battery" not in printed

    # Of a portal elsewhere: it is left alone.
    (checkout / ".env").write_text("SECRET_KEY=x\nDATABASE_URL=sqlite:////nowhere/at/all.sqlite3\n")
    with started(checkout, port) as printed:
        assert "Installed" not in printed
        again = subprocess.run(
            ["bash", "-c", curl[0]], check=True, capture_output=True, text=True, timeout=30
        )
        assert '"changed":[],"unchanged":1' in again.stdout
    assert kept(checkout) == before
    assert (checkout / "public/public-key.pem").read_bytes() == (
        ROOT / "public/public-key.pem"
    ).read_bytes()

    for database in checkout.glob("var/threatreaction.sqlite3*"):
        database.unlink()
    (checkout / "var/.env").unlink()
    (checkout / "var/secret-key").write_text("of an earlier version")
    # It begins anew, as empty as it is told to be, with the key of the earlier version, which signs
    # the sessions and encrypts the second factors. Its curl works.
    with started(checkout, port, "scripts/run --no-samples") as printed:
        anew = subprocess.run(
            ["bash", "-c", curl[0]], check=True, capture_output=True, text=True, timeout=30
        )
        assert '"to":"BLOCK"' in anew.stdout
        assert "(it is not shown again)" in printed
    assert "\nSECRET_KEY=of an earlier version\n" in (checkout / "var/.env").read_text()
    with closing(sqlite3.connect(checkout / "var/threatreaction.sqlite3")) as emptied:
        assert emptied.execute("SELECT count(*) FROM findings_finding").fetchone() == (0,)
        # The curl has set the one rule that there is.
        assert emptied.execute("SELECT count(*) FROM findings_policychange").fetchone() == (1,)


def test_a_taken_port_is_told_in_one_line(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = subprocess.run(
            ["scripts/run"],
            cwd=checkout,
            env={"PATH": os.environ["PATH"], "PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert refused.returncode != 0
    assert refused.stderr.splitlines() == [
        f"Port {port} is in use or invalid. Choose another: make run PORT=8080"
    ]
    assert not (checkout / "var" / "threatreaction.sqlite3").exists()
