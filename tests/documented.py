"""Finds the environment variables in settings and in documents."""

from __future__ import annotations

import re

from tests.server import ROOT

SHARED = "serving/shared_settings.py"


def read_in(*files: str) -> set[str]:
    """Return the names of the variables that these files of the repository read."""
    return {name for file in files for name in read_by((ROOT / file).read_text())}


def read_by(source: str) -> set[str]:
    """Return the names of the variables that Python source code reads with `env`."""
    return set(re.findall(r'\benv[.\w]*\(\s*"([A-Z0-9_]+)"', source))


def listed_in(document: str) -> set[str]:
    """Return the names in the first table below the heading "Environment" of a document."""
    table = re.search(r"## Environment\n.*?\n(\|.*?)\n\n", document, re.S)
    assert table
    return {
        name
        for row in table[1].splitlines()[2:]
        for name in re.findall(r"`([A-Z0-9_]+)`", row.split("|")[1])
    }
