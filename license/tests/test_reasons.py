"""A new reason to reject a license requires only the changes in CONTRIBUTING.md."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from license import reasons, status, token
from license.claims import LicenseClaims
from license.models import License

pytestmark = pytest.mark.one_database  # texts


@pytest.fixture
def _new_reason(monkeypatch: pytest.MonkeyPatch, valid_license: License) -> None:
    """The vendor sells no more to Atlantis: a subclass, and the rule that raises it."""
    monkeypatch.setattr(reasons, "REASONS", dict(reasons.REASONS))
    validate = token.validate

    class LicenseOfAtlantis(reasons.LicenseError):
        code = "license_of_atlantis"
        title = "License of Atlantis"
        remedy = "Move the portal to dry land."
        cause = "Licenses of Atlantis were `sunk`."
        fix = "Ask on the [License page](/license)."
        state = "Sunk"
        color = "yellow"

    def with_the_new_rule(claims: LicenseClaims, **circumstances: Any) -> None:
        validate(claims, **circumstances)
        refused = LicenseOfAtlantis("The license is for Atlantis.")
        refused.claims = claims
        raise refused

    monkeypatch.setattr(token, "validate", with_the_new_rule)


@pytest.mark.usefixtures("_new_reason")
def test_the_status_tells_the_reason() -> None:
    found = status.current()
    assert not found.allows_writes
    assert found.code == "license_of_atlantis"
    assert found.remedy == "Move the portal to dry land."


@pytest.mark.usefixtures("_new_reason")
def test_a_program_is_refused_for_it(operator_client: Client) -> None:
    response = operator_client.put("/findings", {"policies": []}, content_type="application/json")
    assert response.status_code == 403
    problem = response.json()
    assert problem["title"] == "License of Atlantis"
    assert problem["code"] == "license_of_atlantis"
    assert problem["detail"].endswith("The license is for Atlantis. Move the portal to dry land.")
    assert problem["type"].endswith("/problems/license-of-atlantis")


@pytest.mark.usefixtures("_new_reason")
def test_a_person_is_refused_for_it(operator_client: Client) -> None:
    response = operator_client.post("/accounts", {"name": "x"}, headers={"Accept": "text/html"})
    assert response.status_code == 403
    assert "<h1>License of Atlantis: change not saved</h1>" in response.content.decode()
    assert "Move the portal to dry land." in response.content.decode()


@pytest.mark.usefixtures("_new_reason")
def test_its_problem_page_is_there() -> None:
    page = Client().get("/problems/license-of-atlantis").content.decode()
    assert "<h1>License of Atlantis</h1>" in page
    assert "Licenses of Atlantis were <code>sunk</code>." in page
    assert 'Ask on the <a href="/license">License page</a>.' in page
    assert "manage.py setlicense - &lt; key.txt" in page


@pytest.mark.usefixtures("_new_reason")
def test_the_history_shows_it(administrator_client: Client) -> None:
    page = administrator_client.get("/license").content.decode()
    assert '<span class="badge" data-color="yellow">Sunk</span>' in page


def test_a_reason_that_leaves_something_out_is_no_reason() -> None:
    with pytest.raises(AttributeError, match="title"):
        type(
            "LicenseUnsaid",
            (reasons.LicenseError,),
            {"code": "unsaid", "remedy": "", "cause": "", "fix": ""},
        )
    assert "unsaid" not in reasons.REASONS
