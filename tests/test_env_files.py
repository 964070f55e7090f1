"""Tests of .env and var/.env with `manage.py` and gunicorn, in a copy of the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import copy_of_checkout

SHOWN = ("SECRET_KEY", "PORTAL_URL", "AWS_ACCOUNT_ID", "LICENSE_PUBLIC_KEY_PATH", "DEBUG")
_SHOW = (
    "import json; from django.conf import settings;"
    f"print(json.dumps({{name: str(getattr(settings, name)) for name in {SHOWN!r}}}))"
)


@pytest.fixture(scope="module")
def _shared_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_checkout(tmp_path_factory.mktemp("env files") / "a checkout")


@pytest.fixture
def checkout(_shared_checkout: Path) -> Iterator[Path]:
    """A copy of the checkout for all tests of this module. Removes what a test adds to it."""
    folders = (_shared_checkout, _shared_checkout / "var")
    before = {path for folder in folders for path in folder.iterdir()}
    yield _shared_checkout
    for path in {path for folder in folders for path in folder.iterdir()} - before:
        path.rmdir() if path.is_dir() else path.unlink()


def run(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _SHOW],
        cwd=checkout.parent,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(checkout),
            "DJANGO_SETTINGS_MODULE": "threatreaction.settings",
        }
        | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def settings(checkout: Path, **environment: str) -> dict[str, str]:
    done = run(checkout, **environment)
    assert done.returncode == 0, done.stderr
    shown: dict[str, str] = json.loads(done.stdout)
    return shown


def test_a_checkout_beside_make_run_needs_no_variables(checkout: Path) -> None:
    (checkout / "var/.env").write_text(
        "# a comment\n\nSECRET_KEY='in quotes'\nAWS_ACCOUNT_ID=123456789012\n"
        "LICENSE_PUBLIC_KEY_PATH=var/development-public-key.pem\n"
    )
    shown = settings(checkout)
    assert (shown["SECRET_KEY"], shown["AWS_ACCOUNT_ID"]) == ("in quotes", "123456789012")
    # Wherever it is run from, and wherever the checkout is moved to.
    assert shown["LICENSE_PUBLIC_KEY_PATH"] == str(checkout / "var/development-public-key.pem")


def test_the_environment_wins_over_env_and_env_over_what_make_run_wrote(checkout: Path) -> None:
    (checkout / ".env").write_text("PORTAL_URL=https://from.env\nAWS_ACCOUNT_ID=222222222222\n")
    (checkout / "var/.env").write_text("SECRET_KEY=x\nPORTAL_URL=http://var\nDEBUG=true\n")
    shown = settings(checkout, AWS_ACCOUNT_ID="111111111111")
    assert shown["AWS_ACCOUNT_ID"] == "111111111111"
    assert shown["PORTAL_URL"] == "https://from.env"
    assert shown["DEBUG"] == "True"


@pytest.mark.parametrize("set_in", ["the environment", ".env", "a file"])
def test_what_make_run_left_behind_never_completes_a_deployment(
    checkout: Path, set_in: str
) -> None:
    (checkout / "var/.env").write_text(
        "SECRET_KEY=y\nLICENSE_PUBLIC_KEY_PATH=var/development.pem\n"
    )
    (checkout / "secret").write_text("real")
    environment = {}
    if set_in == "the environment":
        environment["SECRET_KEY"] = "real"
    elif set_in == "a file":
        environment["SECRET_KEY_FILE"] = str(checkout / "secret")
    else:
        (checkout / ".env").write_text("export SECRET_KEY=real\n")
    shown = settings(checkout, **environment)
    assert shown["SECRET_KEY"] == "real"
    assert shown["LICENSE_PUBLIC_KEY_PATH"] == str(checkout / "public/public-key.pem")


def test_a_variable_wins_over_a_file_that_env_names_for_it(checkout: Path) -> None:
    (checkout / "account").write_text("333333333333")
    (checkout / ".env").write_text("SECRET_KEY=x\nAWS_ACCOUNT_ID_FILE=account\n")
    assert settings(checkout)["AWS_ACCOUNT_ID"] == "333333333333"  # the path starts at the checkout
    assert settings(checkout, AWS_ACCOUNT_ID="1" * 12)["AWS_ACCOUNT_ID"] == "1" * 12


def test_dotenv_path_names_the_one_file_to_read(checkout: Path) -> None:
    (checkout / ".env").write_text("SECRET_KEY=x\nAWS_ACCOUNT_ID=222222222222\n")
    (checkout / "other.env").write_text("SECRET_KEY=other\n")
    shown = settings(checkout, DOTENV_PATH="other.env")
    assert (shown["SECRET_KEY"], shown["AWS_ACCOUNT_ID"]) == ("other", "")
    assert settings(checkout, DOTENV_PATH="", SECRET_KEY="z")["AWS_ACCOUNT_ID"] == ""
    missing = run(checkout, DOTENV_PATH="none.env")
    assert f"{checkout / 'none.env'} cannot be read: No such file" in missing.stderr


def test_a_file_that_is_missing_is_told(checkout: Path) -> None:
    (checkout / ".env").write_text("SECRET_KEY_FILE=none\n")
    assert "SECRET_KEY_FILE cannot be read: No such file" in run(checkout).stderr


def test_a_virtual_environment_named_env_is_left_alone(checkout: Path) -> None:
    (checkout / ".env").mkdir()
    assert settings(checkout, SECRET_KEY="x")["SECRET_KEY"] == "x"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"DEBUG=false\nSECRET-KEY=hunter2\n", "line 2: expected NAME=value"),
        (b"SECRET_KEY = hunter2\n", "line 1: expected NAME=value"),
        (b"SECRET_KEY=hunter2\xff\n", "is not a text file"),
        (b"SECRET_KEY=hunter2\0\n", "is not a text file"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_without_the_secret(
    checkout: Path, content: bytes, told: str
) -> None:
    (checkout / ".env").write_bytes(content)
    done = subprocess.run(
        [sys.executable, checkout / "manage.py", "license"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{checkout / '.env'}" in done.stderr and told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr
