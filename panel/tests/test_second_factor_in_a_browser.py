"""Staff sign-in with an authenticator app and with a passkey."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from panel.tests import server as servers
from panel.tests.conftest import ACCOUNT
from panel.tests.server import sign_in_staff
from panel.tests.signing_in import totp
from tests.person import follow, new_page
from tests.server import Server

# As if the second factor had been shown an hour ago, in each session.
AN_HOUR_LATER = """
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
for key in Session.objects.values_list("session_key", flat=True):
    session = SessionStore(key)
    for record in session.get("account_authentication_methods", []):
        record["at"] -= 3600
    session.modified = True
    session.save()
"""


@pytest.fixture
def page(chromium: Browser, panel: Server) -> Iterator[Page]:
    with new_page(chromium, panel.url) as page:
        yield page


def choose_to_mark_paid(page: Page) -> None:
    page.goto("/panel/admin/panel/order/?status=open")
    page.locator("#result_list tbody input[type=checkbox]").first.check()
    page.locator("select[name=action]").select_option("mark_paid")
    follow(page, page.get_by_role("button", name=re.compile("Go|Run")))


def place_order(page: Page) -> None:
    page.goto(f"/panel/request-license?account_id={ACCOUNT}&plan=paid")
    servers.place_order(page)


def an_hour_later(panel: Server) -> None:
    done = panel.manage("shell", "-v0", "-c", AN_HOUR_LATER)
    assert done.returncode == 0, done.stderr


def test_what_was_typed_is_sent_once_the_code_is_entered(page: Page, panel: Server) -> None:
    secret = sign_in_staff(page, panel)
    place_order(page)
    choose_to_mark_paid(page)
    page.get_by_label("Reason").fill("Invoice 2026-117")
    an_hour_later(panel)
    page.get_by_role("button", name="Mark orders paid").click()
    expect(page.get_by_role("heading", name="Confirm your identity")).to_be_visible()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator(".errorlist")).to_be_visible()
    # A code is taken once; the one of the next half minute is good already.
    page.get_by_label("Code").fill(totp(secret, at=time.time() + 30))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Done: Order")).to_be_visible()
    page.goto("/panel/admin/panel/act/")
    expect(page.locator("#result_list")).to_contain_text("Invoice 2026-117")


def test_a_passkey_signs_staff_in_and_confirms(page: Page, panel: Server) -> None:
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    sign_in_staff(page, panel)
    page.goto("/panel/accounts/2fa/webauthn/add/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Passwordless").check()
    page.locator("main form button").first.click()
    page.wait_for_url(lambda url: not url.endswith("/add/"))
    follow(page, page.get_by_role("button", name="Sign out"))

    page.goto("/panel/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    place_order(page)
    an_hour_later(panel)
    choose_to_mark_paid(page)
    expect(page.get_by_role("heading", name="Confirm your identity")).to_be_visible()
    follow(page, page.get_by_role("link", name="Use a security key"))
    page.get_by_role("button", name="Use a passkey or security key").click()
    expect(page.get_by_label("Reason")).to_be_visible()
    page.get_by_label("Reason").fill("Invoice 2026-118")
    page.get_by_role("button", name="Mark orders paid").click()
    expect(page.get_by_text("Done: Order")).to_be_visible()
