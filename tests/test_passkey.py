"""Tests of passkeys with the virtual authenticator of Chromium."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from license.tests.keys import make_license
from tests.databases import PASSWORD
from tests.person import follow, sign_in
from tests.server import Server


def test_a_person_adds_a_passkey_and_signs_in_with_it(page: Page, server: Server) -> None:
    server.install(make_license())  # adding one is a write
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    sign_in(page, "oscar")
    page.goto("/accounts/2fa/webauthn/add/")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main button[type=submit]").first.click()
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Passwordless").check()
    page.locator("main form button").first.click()
    page.wait_for_url(lambda url: not url.endswith("/add/"))
    page.goto("/accounts/2fa/webauthn/")
    expect(page.get_by_role("heading", name="laptop")).to_be_visible()

    follow(page, page.get_by_role("button", name="Sign out"))
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto("/threats")
    expect(page.get_by_role("heading", name="Threats", exact=True)).to_be_visible()
