"""The environment variables that settings read, and those that a document lists."""

from __future__ import annotations

import re

from tests.server import ROOT

SHARED = "serving/shared_settings.py"


def read_in(*files: str) -> set[str]:
    """The variables that these files of the repository read by name."""
    return {name for file in files for name in read_by((ROOT / file).read_text())}


def read_by(source: str) -> set[str]:
    return set(re.findall(r'\benv[.\w]*\(\s*"([A-Z0-9_]+)"', source))


def listed_in(document: str) -> set[str]:
    """The variables of the table below the heading "Environment"."""
    table = re.search(r"## Environment\n.*?\n(\|.*?)\n\n", document, re.S)
    assert table
    return {
        name
        for row in table[1].splitlines()[2:]
        for name in re.findall(r"`([A-Z0-9_]+)`", row.split("|")[1])
    }
