"""Each `type` of a problem document is a page that the portal serves, to strangers too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

APPS = ["problems", "license", "accounts", "findings", "actions", "console", "threatreaction"]
PAGES = settings.BASE_DIR / "templates" / "problems"


def codes() -> Iterator[str]:
    """Every code in the code base: `code="..."` in a call, `code = "..."` in a class."""
    for app in APPS:
        for path in sorted((settings.BASE_DIR / app).rglob("*.py")):
            if not {"tests", "migrations"}.intersection(path.parts):
                yield from _codes_of(path)


def _codes_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.keyword(arg="code", value=ast.Constant(str(code))):
                yield code
            case ast.Assign(targets=[ast.Name("code")], value=ast.Constant(str(code))):
                yield code


def slugs() -> list[str]:
    return sorted({code.replace("_", "-") for code in codes()})


def test_the_codes_are_found() -> None:
    assert {"license-missing", "unauthenticated", "invalid-request", "not-found"} <= set(slugs())


@pytest.mark.django_db
@pytest.mark.parametrize("slug", slugs())
def test_each_code_has_its_page(slug: str) -> None:
    response = Client().get(f"/problems/{slug}")
    assert response.status_code == 200
    page = response.content.decode()
    for part in ("<title>", "<h1>", "<h2>What it means</h2>", "<h2>How to mend it</h2>", "<code>"):
        [said] = re.findall(rf"{part}\s*(?:<[^>]+>\s*)*([^<\s]+)", page)[:1]
        assert said
    assert slug.replace("-", "_") in page


def test_no_page_is_left_over() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.html")) == slugs()


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["unheard-of", "base", "..", "license_missing", "license%2Fpage"])
def test_an_unknown_problem_is_not_found(slug: str) -> None:
    assert Client().get(f"/problems/{slug}").status_code == 404


@pytest.mark.usefixtures("expired_license")
def test_the_page_is_there_without_a_license() -> None:
    assert Client().get("/problems/license-expired").status_code == 200


@pytest.mark.usefixtures("expired_license")
def test_the_type_of_a_refusal_leads_to_its_page() -> None:
    refusal = Client().put("/findings", {"policies": []}, content_type="application/json")
    path = refusal.json()["type"].removeprefix(settings.PORTAL_URL)
    assert b"License expired" in Client().get(path).content
