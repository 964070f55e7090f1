"""The license lifecycle in a browser, with portal and panel running."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from panel.tests.conftest import ACCOUNT
from panel.tests.server import enter_code, place_order, sign_in_staff
from tests.person import new_page
from tests.person import sign_in as sign_in_to_portal
from tests.server import Server

CUSTOMER = "alice@example.com"


@pytest.fixture
def page(chromium: Browser, portal: Server) -> Iterator[Page]:
    with new_page(chromium, portal.url) as page:
        yield page


@pytest.fixture
def desk(chromium: Browser, panel: Server) -> Iterator[Page]:
    """A browser page where staff are signed in."""
    with new_page(chromium, panel.url) as page:
        yield page


def test_a_license_is_requested_bought_renewed_and_replaced(
    page: Page, desk: Page, portal: Server, panel: Server
) -> None:
    sign_in_to_portal(page, "ada")
    page.goto("/license")
    expect(page.locator("#status")).to_have_text("Missing")

    page.get_by_role("link", name="Request a trial").click()
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Email").fill(CUSTOMER)
    page.get_by_role("button", name="Sign up").click()
    enter_code(page, panel)
    expect(page.get_by_label("AWS account id")).to_have_value(ACCOUNT)
    page.get_by_label("Proof").fill(prove(page, portal))
    page.get_by_label("Company").fill("Example Corp")
    page.get_by_role("button", name="Start the trial").click()
    expect(page.get_by_role("heading", name=re.compile("^Trial (Active|Expiring)"))).to_be_visible()
    trial = newest_key(page)
    assert trial not in panel.log.replace("=\n", "")  # the mail links to the page
    paste(page, portal, trial)
    expect(page.locator("#status")).to_have_text("Valid")
    expect(page.locator("dd", has_text="Example Corp")).to_be_visible()

    page.get_by_role("link", name="Upgrade to Paid").click()
    order(page, "12 months")
    page.goto(f"{panel.url}/panel/licenses")
    expect(page.get_by_text("awaiting payment")).to_be_visible()
    mark_paid(desk, panel)
    page.reload()
    expect(page.get_by_role("heading", name=re.compile("^Paid (Active|Expiring)"))).to_be_visible()
    paid = newest_key(page)
    paste(page, portal, paid)
    expect(page.locator("#status")).to_have_text("Valid")
    expect(page.locator("dl.facts dd").first).to_have_text("Paid")

    page.get_by_role("link", name="Renew the license").click()
    order(page, "1 month")
    mark_paid(desk, panel)
    page.goto(f"{panel.url}/panel/licenses")
    paste(page, portal, newest_key(page))
    expect(page.get_by_text("A renewal is queued.")).to_be_visible()
    expect(page.locator("#status")).to_have_text("Valid")

    page.goto(f"{panel.url}/panel/licenses")
    page.locator("section.license").nth(1).get_by_role("link", name="replacement").click()
    page.get_by_label("Reason").fill("It was in a chat.")
    page.get_by_role("button", name="Replace license").click()
    expect(page.get_by_text("Here is the new key.")).to_be_visible()
    compromised = page.locator("section.license").nth(2)
    expect(compromised.locator(".badge")).to_have_text("Replaced")
    compromised_id = compromised.locator("dd.mono").first.inner_text()
    paste(page, portal, newest_key(page))
    expect(page.locator("#status")).to_have_text("Valid")
    refused = portal.manage("setlicense", "-", stdin=paid)
    assert refused.returncode == 1
    assert f"The vendor has revoked the license {compromised_id}" in refused.stderr


def prove(page: Page, portal: Server) -> str:
    """Carries the challenge to the portal, in another tab, and returns its proof."""
    challenge = page.locator("#challenge").inner_text()
    tab = page.context.new_page()
    tab.goto(f"{portal.url}/license")
    tab.get_by_role("link", name="Prove this account").click()
    tab.get_by_label("Challenge").fill(challenge)
    tab.get_by_role("button", name="Create proof").click()
    proof = tab.locator("#proof").inner_text()
    tab.close()
    return proof


def newest_key(page: Page) -> str:
    """Downloads the key of the first license in the list."""
    with page.expect_download() as downloading:
        page.locator("section.license").first.get_by_role("link", name="Download").click()
    return downloading.value.path().read_text().strip()


def paste(page: Page, portal: Server, key: str) -> None:
    page.goto(f"{portal.url}/license")
    page.get_by_label("License key").fill(key)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice[data-level=success]").first).to_contain_text(
        "license installed.", ignore_case=True
    )


def order(page: Page, term: str) -> None:
    expect(page.get_by_label("AWS account id")).to_have_value(ACCOUNT)
    place_order(page, term)


def mark_paid(desk: Page, panel: Server) -> None:
    if desk.url == "about:blank":
        sign_in_staff(desk, panel)
    desk.goto("/panel/admin/panel/order/?status=open")
    desk.locator("#result_list tbody input[type=checkbox]").first.check()
    desk.locator("select[name=action]").select_option("mark_paid")
    desk.get_by_role("button", name=re.compile("Go|Run")).click()
    desk.get_by_label("Reason").fill("Invoice 2026-117, paid by bank transfer")
    desk.get_by_role("button", name="Mark orders paid").click()
    expect(desk.get_by_text("Done: Order")).to_be_visible()
