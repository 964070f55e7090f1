"""CI, hooks and Dependabot match the Makefile, and the image gets all apps."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from django.apps import apps

from tests.server import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def parsed(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def recipe(target: str) -> str:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found
    return found[1]


def test_the_hooks_are_the_tools_of_make_lint_at_the_same_versions() -> None:
    subprocess.run(
        [ROOT / ".venv/bin/pre-commit", "validate-config", ROOT / ".pre-commit-config.yaml"],
        check=True,
    )
    repositories = parsed(".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]  # no second version
    hooks = " ".join(hook["entry"] for hook in repositories[0]["hooks"])
    tools = re.findall(r"\$\(BIN\)/([\w-]+(?: check| format)?)", recipe("lint"))
    scripts = re.findall(r"scripts/[\w-]+", recipe("lint"))
    assert len(tools) >= 6
    assert [tool for tool in tools if f".venv/bin/{tool}" not in hooks] == []
    assert [script for script in scripts if script not in hooks] == []


def test_the_workflow_covers_each_python_and_database_with_no_more_rights_than_to_read() -> None:
    workflow = parsed(".github/workflows/ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={matrix['python'][0]}"
    assert matrix == {
        "python": ["3.11", "3.12", "3.13", "3.14"],
        "database": ["sqlite", "postgresql"],
    }
    commands = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    for command in commands:
        for target in re.findall(r"\bmake (\S+)", command):
            assert re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE), command
    assert {"make lint", "make audit", "make cover"} <= set(commands)
    # Tags move; a commit does not.
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    used = re.findall(r"uses: (.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


@pytest.mark.parametrize("ecosystem", ["uv", "github-actions"])
def test_updates_are_proposed_for_packages_and_actions(ecosystem: str) -> None:
    updates = {
        update["package-ecosystem"]: update
        for update in parsed(".github/dependabot.yml")["updates"]
    }
    found = updates[ecosystem]
    for directory in found.get("directories", [found.get("directory")]):
        assert (ROOT / directory.lstrip("/")).is_dir()


def test_the_image_gets_each_app() -> None:
    copied = set((ROOT / ".dockerignore").read_text().splitlines())
    own = {config.name for config in apps.get_app_configs() if (ROOT / config.name).is_dir()}
    assert len(own) > 5
    assert [name for name in sorted(own) if f"!{name}" not in copied] == []
