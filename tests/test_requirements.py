"""Compares the lock files with the .in files, without access to a registry."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.server import ROOT

# A customer's deployment leaves panel/ out.
INPUTS = sorted([*ROOT.glob("requirements*.in"), *ROOT.glob("panel/requirements*.in")])
every_input = pytest.mark.parametrize(
    "source", INPUTS, ids=lambda path: str(path.relative_to(ROOT))
)


def pins(source: Path) -> list[Requirement]:
    """Return the pinned requirements of an .in file and the files that it includes."""
    found = []
    for line in source.read_text().splitlines():
        if line.startswith("-r "):
            found += pins(source.parent / line.removeprefix("-r "))
        elif line and not line.startswith(("#", "-c ")):
            found.append(Requirement(line))
    return found


def locked(source: Path) -> dict[str, list[tuple[Requirement, set[str]]]]:
    """Return the entries of a lock file by name; several if Python versions differ."""
    entries: dict[str, list[tuple[Requirement, set[str]]]] = {}
    text = re.sub(r"^\s*#.*\n", "", source.with_suffix(".txt").read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", "").splitlines():
        requirement, *hashes = line.split(" --hash=")
        entry = Requirement(requirement.strip())
        digests = {digest.strip() for digest in hashes}
        entries.setdefault(canonicalize_name(entry.name), []).append((entry, digests))
    return entries


@every_input
def test_the_lock_holds_each_pin_of_its_input(source: Path) -> None:
    entries = locked(source)
    assert entries
    for pin in pins(source):
        assert str(pin.specifier).startswith("=="), f"{pin} is not pinned"
        versions = {str(entry.specifier) for entry, _ in entries[canonicalize_name(pin.name)]}
        assert versions == {str(pin.specifier)}, f"{pin}: run `make lock`"


@every_input
def test_every_locked_package_is_one_version_with_hashes_and_names_no_registry(
    source: Path,
) -> None:
    for entries in locked(source).values():
        for entry, digests in entries:
            assert re.fullmatch(r"==[^*,]+", str(entry.specifier)), entry
            assert digests, f"{entry} has no hash"
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in digests), entry
    text = source.with_suffix(".txt").read_text() + source.read_text()
    assert "index-url" not in text
    assert "://" not in text


def test_what_is_tested_is_what_runs() -> None:
    runtime = locked(ROOT / "requirements.in")
    for source in INPUTS:
        if source.name != "requirements-uv.in":
            assert runtime.items() <= locked(source).items(), source


def test_the_sbom_lists_each_package_with_version_and_hashes(tmp_path: Path) -> None:
    script = ROOT / "scripts/sbom"
    subprocess.run([script, tmp_path / "first.json"], check=True)
    # The same once more, but without a validation, which takes most of the time.
    again = script.read_text().replace(
        "--output-reproducible", "--output-reproducible --no-validate"
    )
    assert "--no-validate" in again
    subprocess.run(["bash", "-c", again, script, tmp_path / "second.json"], check=True)
    text = (tmp_path / "first.json").read_text()
    assert text == (tmp_path / "second.json").read_text()
    sbom = json.loads(text)
    assert (sbom["bomFormat"], sbom["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "threatreaction",
    )
    listed = {
        (
            component["name"],
            f"=={component['version']}",
            *sorted(
                f"sha256:{digest['content']}"
                for reference in component["externalReferences"]
                for digest in reference["hashes"]
            ),
        )
        for component in sbom["components"]
    }
    assert listed == {
        (name, str(entry.specifier), *sorted(digests))
        for name, entries in locked(ROOT / "requirements.in").items()
        for entry, digests in entries
    }
    assert os.fspath(ROOT) not in text
