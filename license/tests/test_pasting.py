"""Tests of pasting a key into the License page: preview, rejection, confirmation, success."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from conftest import install
from license.models import License
from license.tests import keys
from license.tests.keys import make_license
from license.tests.pages import words
from license.tests.test_pages import DAY, expired

pytestmark = pytest.mark.one_database  # texts about what was pasted


def test_a_refused_key_stays_in_the_form_with_the_reason(
    administrator_client: Client, valid_license: License
) -> None:
    key = make_license(aws_account_id="210987654321", days=300)
    response = administrator_client.post("/license", {"key": key})
    assert f"{key}</textarea>" in response.content.decode()
    assert "The license is for AWS account 210987654321" in words(response.content)
    assert License.objects.get() == valid_license


def test_without_a_key_the_form_asks_for_one(administrator_client: Client) -> None:
    response = administrator_client.post("/license", {"key": " \n"})
    assert "Paste a license key." in words(response.content)


@pytest.mark.parametrize("worse", [{"days": 3}, {"days": 300, "plan": "trial"}])
def test_a_key_that_leaves_us_worse_off_must_be_confirmed(
    administrator_client: Client, valid_license: License, worse: dict[str, Any]
) -> None:
    key = make_license(**worse)
    refused = administrator_client.post("/license", {"key": key})
    assert "Select the check box to install it anyway." in words(refused.content)
    assert License.objects.count() == 1
    administrator_client.post("/license", {"key": key, "confirm": "on"})
    assert License.objects.count() == 2


def test_a_key_that_is_installed_already_changes_nothing(administrator_client: Client) -> None:
    key = make_license()
    administrator_client.post("/license", {"key": key})
    response = administrator_client.post("/license", {"key": key}, follow=True)
    assert "This license is already installed." in words(response.content)
    assert License.objects.count() == 1


def test_a_renewal_says_when_it_takes_over(administrator_client: Client) -> None:
    install(make_license())
    key = make_license(begins=20 * DAY, days=365)
    response = administrator_client.post("/license", {"key": key}, follow=True)
    assert "It takes effect automatically on" in words(response.content)


@pytest.mark.usefixtures("valid_license")
def test_the_preview_compares_the_key_with_what_is_in_force(administrator_client: Client) -> None:
    key = make_license(days=300, customer="Newcomers", revokes=["older-one"])
    response = administrator_client.post("/license/preview", {"key": key})
    page = words(response.content)
    assert "Customer none Newcomers" in page
    assert "Revokes none older-one" in page
    assert f"{key}</textarea>" in response.content.decode()  # one Save away
    assert License.objects.count() == 1


@pytest.mark.usefixtures("valid_license")
def test_the_preview_as_one_types_is_the_comparison_alone(administrator_client: Client) -> None:
    htmx = {"HX-Request": "true"}
    key = make_license(days=3)
    response = administrator_client.post("/license/preview", {"key": key}, headers=htmx)
    assert b"It expires before the license in force" in response.content
    assert b'name="confirm"' in response.content
    assert b"<main" not in response.content
    empty = administrator_client.post("/license/preview", {"key": ""}, headers=htmx)
    assert empty.content.strip() == b""


def test_the_address_of_the_preview_leads_to_the_page(administrator_client: Client) -> None:
    assert administrator_client.get("/license/preview")["Location"] == "/license"


@pytest.mark.usefixtures("expired_license")
def test_the_preview_says_what_is_wrong_with_a_key(administrator_client: Client) -> None:
    response = administrator_client.post("/license/preview", {"key": expired()})
    page = words(response.content)
    assert "The license expired at" in page
    assert f"AWS account none {keys.ACCOUNT}" in page


@pytest.mark.parametrize("path", ["/license", "/license/preview"])
@pytest.mark.parametrize("who", ["viewer_client", "operator_client", "stranger_client"])
def test_only_administrators_install(request: pytest.FixtureRequest, who: str, path: str) -> None:
    client = request.getfixturevalue(who)
    assert b"<textarea" not in client.get("/license").content
    response = client.post(path, {"key": make_license()})
    assert response.status_code == 403
    assert not License.objects.exists()


@pytest.mark.usefixtures("db")
def test_a_refused_key_is_kept_by_no_cache(administrator_client: Client) -> None:
    response = administrator_client.post("/license", {"key": expired()})
    assert "no-store" in response.headers["Cache-Control"]
