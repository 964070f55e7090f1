"""Compares the documents with the code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests import documented
from tests.server import ROOT


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", pattern], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_every_environment_variable_is_documented_and_no_other() -> None:
    read = documented.read_in("threatreaction/settings.py", documented.SHARED)
    assert read == documented.listed_in((ROOT / "docs/operations.md").read_text())


@pytest.mark.parametrize("document", tracked("*.md"), ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (document.parent / target).exists(), target


def test_every_command_that_the_documents_name_exists() -> None:
    from django.core.management import get_commands

    text = "".join(path.read_text() for path in tracked("*.md"))
    # The panel's own commands, with `--settings panel.settings`, are looked after by its tests.
    named = set(re.findall(r"manage\.py ([a-z_]+)(?! --settings panel)\b", text))
    assert named
    assert named <= set(get_commands())


def test_no_private_key_is_in_the_repository() -> None:
    for path in tracked("*"):
        assert not re.search(rb"PRIVATE KEY-----\s+[A-Za-z0-9+/]{60}", path.read_bytes()), path
