"""No app depends on an app above it in its templates or migrations.

import-linter checks imports. Its contract defines the order of the apps.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from tests.server import ROOT

_linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
ROOMS: list[str] = _linter["contracts"][0]["layers"]  # from top to bottom

# Whose the folders of templates are that are not called after their room.
OWNERS = {
    "account": "accounts",
    "admin": "threatreaction",
    "allauth": "accounts",
    "api": "threatreaction",
    "mfa": "accounts",
    "socialaccount": "accounts",
    "usersessions": "accounts",
}
FRAME = "base.html"  # every page stands in it; it is the project's own


def room_of(template: str) -> str:
    """Partials beside the folders belong to the ground floor, pages to the project."""
    folder, slash, name = template.rpartition("/")
    if not slash:
        return ROOMS[-1] if name.startswith("_") else ROOMS[0]
    first = folder.partition("/")[0]
    return OWNERS.get(first, first)


def is_upward(lower: str, upper: str) -> bool:
    return ROOMS.index(upper) < ROOMS.index(lower)


def upward_templates(folder: Path) -> Iterator[str]:
    """Each "a includes b" where b belongs to a room above that of a."""
    for path in sorted(folder.rglob("*.html")):
        template = path.relative_to(folder).as_posix()
        text = path.read_text()
        for used in re.findall(r"""\{%-? *(?:include|extends) +["']([^"']+)["']""", text):
            # A folder that is nobody's has no place in the order, and fails here.
            if used != FRAME and is_upward(room_of(template), room_of(used)):
                yield f"{template} -> {used}"


def upward_migrations(edges: Iterable[tuple[tuple[str, str], tuple[str, str]]]) -> Iterator[str]:
    """Each "a depends on b" where b belongs to a room above that of a."""
    for (app, name), (needed_app, needed_name) in edges:
        if {app, needed_app} <= set(ROOMS) and is_upward(app, needed_app):
            yield f"{app}.{name} -> {needed_app}.{needed_name}"


def test_every_app_of_ours_is_a_room() -> None:
    ours = {app.label for app in apps.get_app_configs() if Path(app.path).parent == ROOT}
    assert "findings" in ours
    assert ours <= set(ROOMS)


def test_templates_depend_downward_only() -> None:
    assert not list(upward_templates(ROOT / "templates"))


def test_migrations_depend_downward_only() -> None:
    graph = MigrationLoader(None).graph
    edges = [(key, parent.key) for key, node in graph.node_map.items() for parent in node.parents]
    assert (
        ("findings", "0003_account_names"),
        ("findings", "0002_findings_and_what_they_name"),
    ) in edges
    assert not list(upward_migrations(edges))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("findings/events.html", '{% include "actions/_state.html" %}'),
        ("license/page.html", "{% extends 'console/event.html' %}"),
        ("account/login.html", '{%include "findings/_staged.html" with a=b %}'),
        ("_filter.html", '{% include "license/_banner.html" %}'),
        ("problems/page.html", '{% extends "404.html" %}'),
    ],
)
def test_a_template_that_depends_upward_is_found(tmp_path: Path, template: str, text: str) -> None:
    path = tmp_path / template
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'{{% include "_icon_ok.html" %}} {text}')
    [found] = upward_templates(tmp_path)
    assert found.startswith(f"{template} -> ")


def test_a_template_in_a_folder_without_a_room_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.html").write_text('{% include "panel/_license.html" %}')
    with pytest.raises(ValueError, match="panel"):
        list(upward_templates(tmp_path))


def test_a_migration_that_depends_upward_is_found() -> None:
    edges = [
        (("accounts", "0002_x"), ("findings", "0001_initial")),
        (("accounts", "0002_x"), ("auth", "0001_initial")),
        (("actions", "0002_x"), ("findings", "0001_initial")),
    ]
    assert list(upward_migrations(edges)) == ["accounts.0002_x -> findings.0001_initial"]


def test_each_import_from_allauths_insides_says_why() -> None:
    unsaid = []
    for room in [*ROOMS, "panel"]:
        for path in sorted((ROOT / room).rglob("*.py")):
            lines = ["", *path.read_text().splitlines()]
            unsaid += [
                f"{path.relative_to(ROOT)}: {line}"
                for above, line in pairwise(lines)
                if "tests" not in path.parts and re.match(r"from allauth\..*\binternal\b", line)
                if "#" not in line and not re.match(r"#|from allauth\..*\binternal\b", above)
            ]
    assert not unsaid
