"""Tests of the License page for users with different permissions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from conftest import install
from license.tests import keys
from license.tests.keys import make_license
from license.tests.pages import read, words

pytestmark = pytest.mark.one_database  # texts and pages

DAY = timedelta(days=1)
JTI = "c0ffee00-0000-4000-8000-000000000000"


def expired(plan: str = "paid") -> str:
    return make_license(not_before=keys.now() - 40 * DAY, plan=plan)


def expiring() -> str:
    return make_license(not_before=keys.now() - 20 * DAY, days=30.5)


REJECTED: dict[str, Callable[[], str]] = {
    "wrong account": lambda: make_license(aws_account_id="210987654321"),
    "not yet valid": lambda: make_license(begins=2 * DAY),
    "bad signature": lambda: make_license(signing_key=keys.other_key()),
    "malformed": lambda: "no key at all",
}
STATES: dict[str, Callable[[], str] | None] = {
    "valid": make_license,
    "expiring soon": expiring,
    "expired": expired,
    "missing": None,
    **REJECTED,
}


@pytest.fixture(params=STATES)
def any_state(request: pytest.FixtureRequest, db: None) -> str:
    if make := STATES[request.param]:
        install(make())
    return str(request.param)


@pytest.mark.usefixtures("any_state")
def test_in_every_state_an_administrator_installs_a_key(administrator_client: Client) -> None:
    assert administrator_client.get("/license").status_code == 200
    response = administrator_client.post(
        "/license", {"key": make_license(jti=JTI, days=300)}, follow=True
    )
    assert "Paid license installed." in words(response.content)
    assert administrator_client.get("/license/status").json()["license_id"] == JTI


@pytest.mark.usefixtures("any_state")
def test_in_every_state_a_key_can_be_looked_at_before_it_is_saved(
    administrator_client: Client,
) -> None:
    response = administrator_client.post("/license/preview", {"key": make_license(days=300)})
    assert "The key is valid" in words(response.content)


@pytest.mark.usefixtures("any_state")
def test_in_every_state_anybody_who_is_signed_in_sees_the_page(stranger_client: Client) -> None:
    page = stranger_client.get("/license").content
    assert "Ask an administrator of this portal to add you to the group viewers" in words(page)
    assert keys.ACCOUNT not in page.decode()
    assert f"{keys.now():%Y}" not in words(page)


@pytest.mark.usefixtures("db")
def test_a_stranger_is_sent_to_sign_in() -> None:
    assert Client().get("/license").headers["Location"] == "/accounts/login/?next=/license"


def test_a_valid_license_is_shown_whole(viewer_client: Client) -> None:
    install(make_license(jti=JTI, not_before=keys.now() - 15 * DAY, days=60.5, customer="Zoë & Co"))
    page = read(viewer_client)
    ends = keys.now() - 15 * DAY + timedelta(days=60.5)
    for shown in (
        "Valid Writes are enabled.",
        "Plan Paid",
        "Customer Zoë & Co",
        f"AWS account {keys.ACCOUNT}",
        f"{ends:%Y-%m-%d}, in 45 days at {ends:%H:%M}",
        "Term used: 24 %",
        f"License ID {JTI}",
        f"Key ID {next(iter(keys.keyring()))}",
    ):
        assert shown in page


def test_the_last_day_is_no_day_left(viewer_client: Client) -> None:
    install(make_license(not_before=keys.now() - 30 * DAY, days=30.5))
    page = read(viewer_client)
    assert "Expiring Soon" in page
    assert "in less than a day" in page
    assert "Term used: 98 %" in page


def test_an_expired_license_says_since_when(viewer_client: Client) -> None:
    install(make_license(not_before=keys.now() - 33.5 * DAY, days=30))
    page = read(viewer_client)
    assert "Expired Writes are disabled." in page
    assert "3 days ago" in page
    assert "Term used: 100 %" in page


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("wrong account", "The license is for AWS account 210987654321; this deployment runs in"),
        ("not yet valid", "The license becomes valid at"),
        ("bad signature", "its signing key (kid) is not a trusted key"),
        ("malformed", "paste only the key"),
    ],
)
def test_a_rejected_license_says_why(viewer_client: Client, state: str, reason: str) -> None:
    install(REJECTED[state]())
    page = read(viewer_client)
    assert "Rejected Writes are disabled." in page
    assert reason in page


def test_a_missing_license_says_what_to_do(administrator_client: Client) -> None:
    page = read(administrator_client)
    assert "Missing Writes are disabled." in page
    assert "No keys installed yet. Install the first key" in page


def test_a_queued_renewal_is_shown_and_calms_the_notice(viewer_client: Client) -> None:
    install(expiring())
    assert b"The license expires soon." in viewer_client.get("/license").content
    install(make_license(jti=JTI, begins=5 * DAY, days=365))
    response = viewer_client.get("/license")
    assert f"A renewal is queued. The Paid license {JTI} takes effect automatically" in words(
        response.content
    )
    assert b"The license expires soon." not in response.content


def test_a_renewal_that_leaves_a_gap_is_said_to(viewer_client: Client) -> None:
    install(expiring())
    install(make_license(begins=20 * DAY, days=365))
    assert "There is a gap" in read(viewer_client)


def test_an_expired_license_with_a_renewal_says_once_when_it_starts(
    administrator_client: Client,
) -> None:
    begins = keys.now() + 5 * DAY
    install(expired())
    install(make_license(jti=JTI, not_before=begins, days=365))
    content = administrator_client.get("/license").content
    page = content.decode()
    starts = f"Your renewal starts on {begins:%Y-%m-%d at %H:%M:%S} UTC, automatically."
    assert page.count(starts) == 1
    assert page.count("Your renewal starts") == 1
    assert "License: Expired." not in page  # the card below the banner says it
    assert "Expired Writes are disabled." in words(content)
    assert f"The Paid license {JTI} expires on" in words(content)
    assert "Request a replacement" not in page
    assert "Renew the license" not in page
    assert "Add to calendar" in page
    answer = administrator_client.put("/findings", {}, "application/json")
    assert answer.json()["code"] == "license_expired"
    assert starts in answer.json()["detail"]


def test_the_history_masks_the_keys_and_says_who(administrator_client: Client) -> None:
    old, queued = make_license(jti="old"), make_license(begins=20 * DAY, days=365)
    install(expired())
    replacement = make_license(days=60, revokes=["old"])
    for key in (old, replacement, queued):
        administrator_client.post("/license", {"key": key})
    content = administrator_client.get("/license").content.decode()
    history = words(content.encode()).partition("Key history")[2]
    states = re.findall("Queued|In force|Revoked|Expired|Replaced", history)
    assert states == ["Queued", "In force", "Revoked", "Expired"]
    assert history.count("ada License page") == 3
    assert not any(key in content for key in (old, replacement, queued))
    assert f"{old[:4]}…{old[-4:]}" in history


@pytest.mark.parametrize(
    ("make", "labels", "plan"),
    [
        (None, ["Request a trial", "Buy a license"], "trial"),
        (lambda: make_license(plan="trial"), ["Upgrade to Paid"], "paid"),
        (lambda: expired(plan="trial"), ["Buy a license"], "paid"),
        (make_license, ["Renew the license"], "paid"),
        (expired, ["Renew the license"], "paid"),
        (REJECTED["wrong account"], ["Request a replacement"], "paid"),
        (REJECTED["malformed"], ["Request a replacement"], "paid"),
    ],
)
def test_the_links_to_the_vendor_fit_the_state(
    viewer_client: Client,
    settings: Settings,
    make: Callable[[], str] | None,
    labels: list[str],
    plan: str,
) -> None:
    settings.PANEL_URL = "https://panel.example"
    if make:
        install(make())
    content = viewer_client.get("/license").content.decode()
    links = re.findall(r'href="(https://panel.example/[^"]+)"[^>]*>([^<]+)<', content)
    assert [label for _, label in links] == labels
    url = f"https://panel.example/request-license?account_id={keys.ACCOUNT}&amp;plan={plan}"
    assert links[0][0] == url


def test_the_trusted_keys_are_listed(viewer_client: Client, settings: Settings) -> None:
    both = keys.vendor_key(), keys.other_key()
    settings.LICENSE_PUBLIC_KEY_PATH.write_bytes(keys.public_pem(*both))
    page = read(viewer_client)
    assert all(kid in page for kid in keys.keyring(*both))


@pytest.mark.usefixtures("valid_license")
def test_without_a_public_key_the_page_says_so(
    administrator_client: Client, settings: Settings
) -> None:
    settings.LICENSE_PUBLIC_KEY_PATH.unlink()
    page = read(administrator_client)
    assert "Rejected Writes are disabled." in page
    assert "no license can be verified" in page
    response = administrator_client.post("/license", {"key": make_license()})
    assert "The file cannot be read" in words(response.content)


@pytest.mark.usefixtures("db")
def test_the_banner_of_the_sign_in_page_tells_no_date() -> None:
    install(expired())
    content = Client().get("/accounts/login/").content.decode()
    assert "Writes are off. License: Expired." in content
    assert "Sign in to fix it" in content
    assert keys.ACCOUNT not in content
    assert "Renew" not in content


def test_the_page_takes_few_queries_however_long_the_history(
    administrator_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for days in range(30, 40):
        administrator_client.post("/license", {"key": make_license(days=days)})
    with django_assert_max_num_queries(9):
        assert read(administrator_client).count("ada License page") == 10
