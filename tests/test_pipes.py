"""Tests of commands in pipes: one line on stderr for an error, none for a closed pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_stops_early_is_no_error(unbuffered: str) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" "$1" checkgate | head -n 1', sys.executable, str(MANAGE)],
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("/\thome\t")
    assert done.stderr == ""


@pytest.mark.every_database
def test_a_database_without_tables_is_told_in_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    if connection.vendor == "postgresql":
        url = os.environ["DATABASE_URL"] + "?options=-csearch_path%3Dnowhere"
    done = subprocess.run(
        [sys.executable, MANAGE, "license"],
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Database error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["license"], {}, "Set the SECRET_KEY environment variable"),
        (["license"], {"SECRET_KEY": "x", "DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        (["license", "--jsno"], os.environ, "unrecognized arguments: --jsno"),
    ],
)
def test_a_license_that_cannot_be_told_is_never_taken_for_one_that_forbids_writes(
    arguments: list[str], environment: dict[str, str], told: str
) -> None:
    done = subprocess.run(
        [sys.executable, MANAGE, *arguments],
        env={"PATH": os.environ["PATH"], "DOTENV_PATH": ""} | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
