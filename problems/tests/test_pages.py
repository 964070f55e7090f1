"""Each `type` of a problem document is a page of the portal, also without authentication."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from problems import catalog, responses

pytestmark = pytest.mark.one_database  # texts and pages

APPS = [
    *("problems", "license", "accounts", "findings", "detectors", "actions", "notifications"),
    *("console", "threatreaction"),
]


def answered_codes() -> Iterator[str]:
    """Return all problem codes in the source code: `code="..."` in a call, `code = "..."`."""
    for app in APPS:
        for path in sorted((settings.BASE_DIR / app).rglob("*.py")):
            if not {"tests", "migrations"}.intersection(path.parts):
                yield from _codes_of(path)


def _codes_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name("ProblemType")):
                continue
            case ast.Call():
                for keyword in node.keywords:
                    match keyword:
                        case ast.keyword(arg="code", value=ast.Constant(str(code))):
                            yield code
            case ast.Assign(targets=[ast.Name("code")], value=ast.Constant(str(code))):
                yield code


def declared_codes() -> list[str]:
    return [row.code for row in catalog.every()]


def test_every_code_is_declared_once_and_answered_somewhere() -> None:
    assert Counter(declared_codes()) == dict.fromkeys(answered_codes(), 1)


def test_an_undeclared_code_cannot_be_answered() -> None:
    with pytest.raises(catalog.UnknownProblem, match="'unheard_of'"):
        responses.respond(code="unheard_of", detail="Nobody knows what it means.")


@pytest.mark.django_db
@pytest.mark.parametrize("code", declared_codes())
def test_each_code_has_its_page(code: str) -> None:
    response = Client().get(f"/problems/{code.replace('_', '-')}")
    assert response.status_code == 200
    page = response.content.decode()
    for part in ("<title>", "<h1>", "<h2>Cause</h2>", "<h2>Fix</h2>", "<code>"):
        [said] = re.findall(rf"{part}\s*(?:<[^>]+>\s*)*([^<\s]+)", page)[:1]
        assert said
    assert code in page
    text = re.sub(r"<[^>]*>", "", page)
    assert "`" not in text
    assert "](" not in text
    assert "PORTAL_URL" not in text


@pytest.mark.django_db
@pytest.mark.parametrize("code", declared_codes())
def test_the_links_of_its_text_lead_somewhere(code: str, administrator_client: Client) -> None:
    row = catalog.find(code)
    for path in re.findall(r"\]\(([^)]*)\)", row.cause + row.fix):
        assert administrator_client.get(path).status_code == 200
        page = Client().get(f"/problems/{code.replace('_', '-')}").content.decode()
        assert f'<a href="{path}">' in page


@pytest.mark.django_db
def test_the_text_of_a_row_is_not_html(monkeypatch: pytest.MonkeyPatch) -> None:
    row = catalog.ProblemType("odd", "<b>", 400, "<i>`<u>`", "[<s>](/x)", "<p> PORTAL_URL")
    monkeypatch.setattr(catalog, "_sources", [lambda: [row]])
    page = Client().get("/problems/odd").content.decode()
    assert "<code>&lt;u&gt;</code>" in page
    assert '<a href="/x">&lt;s&gt;</a>' in page
    assert f"&lt;p&gt; {settings.PORTAL_URL}" in page
    assert not re.search(r"<[bisu]>", page)


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
