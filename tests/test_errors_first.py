"""The errors of the portal's forms: before the form, once, and with the focus."""

from __future__ import annotations

import pytest
from django.test import Client

from actions.tests.attacks import arrive, attack
from findings.models import Finding
from tests.error_summary import assert_first_and_once

pytestmark = pytest.mark.one_database  # the order of a page

FILTERS = {
    "/events?since=never": "Enter a valid date/time.",
    "/entities?kind=nothing": "Select a valid choice.",
    "/actions?since=never": "Enter a valid date/time.",
    "/security-log?since=never": "Enter a valid date/time.",
}
FORMS = {
    "/license": "Paste a license key.",
    "/accounts": "This field is required.",
    "/accounts/password/change/": "Please type your current password.",
    "/events/{pk}/triage": "Ensure this value has at most",
}
SENT = {
    "/accounts": {"name": "x"},
    "/accounts/password/change/": dict.fromkeys(
        ("oldpassword", "password1", "password2"), "no such password"
    ),
    "/events/{pk}/triage": {"note": "x" * 100_000},
}


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("path", FILTERS)
def test_the_errors_of_a_filter_come_first(administrator_client: Client, path: str) -> None:
    page = administrator_client.get(path, headers={"Accept": "text/html"})
    assert_first_and_once(page.content, FILTERS[path])


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("path", FORMS)
def test_the_errors_of_a_form_come_first(administrator_client: Client, path: str) -> None:
    arrive(attack(1))
    to = path.format(pk=Finding.objects.get().pk)
    page = administrator_client.post(to, SENT.get(path), headers={"Accept": "text/html"})
    assert_first_and_once(page.content, FORMS[path])
