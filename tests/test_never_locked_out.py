"""In every license status, an administrator can sign in and install a license key."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from accounts.tests import browser
from conftest import install
from license.tests import keys
from license.tests.keys import make_license
from tests.person import sign_in
from tests.server import Server
from tests.threats import put, setting

pytestmark = pytest.mark.one_database  # pages

DAY = timedelta(days=1)


class State(NamedTuple):
    history: Callable[[], list[str]]  # the keys that were installed, the newest last
    heading: str
    writes: int  # what a PUT is answered


def revoked() -> list[str]:
    """Return an expired key and a later key that it revokes."""
    return [make_license(begins=-2 * DAY, days=1, revokes=["a"]), make_license(jti="a")]


STATES = {
    "missing": State(lambda: [], "Missing", 403),
    # Before the expired keys: after one, it is a renewal, and the status is Expired.
    "not yet valid": State(lambda: [make_license(begins=DAY, days=1)], "Rejected", 403),
    "expired": State(lambda: [make_license(begins=-40 * DAY)], "Expired", 403),
    "expiring soon": State(lambda: [make_license(days=3)], "Expiring Soon", 200),
    "wrong account": State(lambda: [make_license(aws_account_id="210987654321")], "Rejected", 403),
    "revoked": State(revoked, "Rejected", 403),
    "forged": State(lambda: [make_license(signing_key=keys.other_key())], "Rejected", 403),
    "malformed row": State(lambda: ["nothing like a key"], "Rejected", 403),
    "valid": State(lambda: [make_license()], "Valid", 200),
}
POLICY = setting("BLOCK", service="EC2", severity="HIGH")


def before(server: Server, name: str) -> State:
    state = STATES[name]
    for key in state.history():
        server.put_into_history(key)
    assert server.put({"policies": [POLICY]}).status_code == state.writes
    return state


@pytest.mark.parametrize("name", STATES)
def test_in_each_state_a_key_is_installed(
    client: Client, administrator: User, program: Callable[[str], Client], name: str
) -> None:
    state = STATES[name]
    for key in state.history():
        install(key)

    pipeline = program("findings:write")

    def write() -> int:
        body = {"policies": [POLICY]}
        return pipeline.put("/findings", body, content_type="application/json").status_code

    assert write() == state.writes
    browser.sign_in(client, administrator.username)
    dashboard = client.get("/").content.decode()
    (banner,) = re.findall(r'class="banner"[^>]+data-color="red".*?</div>', dashboard, re.S) or [""]
    assert ('href="/license' in banner) is (state.writes == 403)
    page = client.get("/license").content.decode()
    assert re.search(rf"{state.heading}\s*</h2>", page)
    installed = client.post("/license", {"key": make_license(days=300)}, follow=True)
    assert "Paid license installed." in installed.content.decode()
    assert write() == 200


def test_the_license_page_installs_a_key(page: Page, server: Server) -> None:
    state = before(server, "missing")
    sign_in(page, "ada")
    page.locator(".banner[data-color=red] a").click()  # on every page
    expect(page.get_by_role("heading", name=state.heading, exact=True)).to_be_visible()
    page.get_by_label("License key").fill(make_license(days=300))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Paid license installed.")).to_be_visible()
    expect(page.get_by_role("heading", name="Valid", exact=True)).to_be_visible()
    expect(page.locator(".banner")).to_have_count(0)
    put(server, POLICY)


def test_the_admin_installs_a_key(page: Page, server: Server) -> None:
    before(server, "malformed row")
    sign_in(page, "ada")
    page.goto("/admin/license/license/")
    page.get_by_role("link", name="Add license").first.click()
    page.get_by_label("License key").fill(make_license(days=300))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Paid license installed.")).to_be_visible()
    expect(page.locator(".banner")).to_have_count(0)
    put(server, POLICY)
