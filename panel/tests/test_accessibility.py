"""axe finds no violations on any page, light and dark, and no page scrolls horizontally."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from panel.tests.conftest import ACCOUNT
from panel.tests.server import STAFF, ask_for_code, enter_code, place_order, sign_in, sign_in_staff
from panel.tests.signing_in import totp
from panel.tests.sts import Sts
from tests.person import follow, new_page, wrong_with
from tests.server import Server

LISTS = ["issuedlicense", "order", "customer", "act", "invoice", "outgoingmail"]


@pytest.fixture
def page(chromium: Browser, panel: Server) -> Iterator[Page]:
    with new_page(chromium, panel.url) as page:
        yield page


def start_trial(page: Page, panel: Server, aws: Sts) -> None:
    page.goto(f"/panel/request-license?account_id={ACCOUNT}&plan=trial")
    challenge = page.locator("#challenge").inner_text()
    proof = aws.sign(challenge, account=ACCOUNT, panel_url=f"{panel.url}/panel")
    page.get_by_label("Proof").fill(proof)
    follow(page, page.get_by_role("button", name="Start the trial"))


def test_every_page_is_accessible(page: Page, panel: Server, aws: Sts) -> None:
    found: list[str] = []

    def look() -> None:
        found.extend(wrong_with(page))

    page.goto(f"/panel/request-license?account_id={ACCOUNT}&plan=trial")
    look()
    follow(page, page.get_by_role("link", name="Sign up"))
    look()
    page.get_by_label("Email").fill("alice.anderson.of.accounts@example-corporation.com")
    follow(page, page.get_by_role("button", name="Sign up"))
    look()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("main .errorlist").first).to_be_visible()
    look()
    enter_code(page, panel)
    page.goto("/panel/licenses")  # none yet
    look()
    page.goto(f"/panel/request-license?account_id={ACCOUNT}&plan=trial")
    page.get_by_text("Without a portal").click()
    look()
    follow(page, page.get_by_role("button", name="Start the trial"))
    expect(page.locator("main .errorlist")).to_be_visible()
    look()
    start_trial(page, panel, aws)
    look()
    page.goto(f"/panel/request-license?account_id={ACCOUNT}&plan=trial")
    look()
    follow(page, page.get_by_role("button", name="Start the trial"))  # the second is refused
    look()
    follow(page, page.locator("a", has_text="Buy a Paid license"))
    look()
    page.get_by_label("AWS account id").fill("12")
    page.get_by_label("Company").evaluate("it => it.form.noValidate = true")
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("main .errorlist").first).to_be_visible()
    look()
    page.get_by_label("AWS account id").fill(ACCOUNT)
    place_order(page)
    look()
    page.get_by_text("Cancel the order").click()
    look()
    follow(page, page.get_by_role("link", name="TR-000001", exact=True))
    look()
    page.goto("/panel/orders")
    look()
    page.goto("/panel/licenses")
    page.get_by_text("Show key").click()
    look()
    follow(page, page.get_by_role("link", name="Request a replacement"))
    look()
    page.get_by_label("Reason").fill("lost")
    follow(page, page.get_by_role("button", name="Replace license"))
    look()
    page.goto("/panel/team")
    look()
    page.get_by_label("Email").fill("alice.anderson.of.accounts@example-corporation.com")
    page.get_by_role("button", name="Send invitation").click()
    expect(page.locator("main .errorlist")).to_be_visible()
    look()
    page.get_by_label("Email").fill("tess@example.com")
    follow(page, page.get_by_role("button", name="Send invitation"))
    look()
    for path in ("/panel/accounts/logout/", "/panel/nowhere", "/panel/admin/"):
        page.goto(path)
        look()
    assert found == [], "\n".join(found)


def test_the_second_factor_is_accessible(page: Page, panel: Server) -> None:
    sign_in(page, panel, STAFF)
    found = wrong_with(page)  # the page that asks to set one up
    follow(page, page.get_by_role("link", name="Set up"))
    found += wrong_with(page)
    secret = page.get_by_label("Secret").input_value()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator("main .errorlist").first).to_be_visible()
    found += wrong_with(page)
    page.get_by_label("Code").fill(totp(secret))
    follow(page, page.get_by_role("button", name="Turn on"))
    for path in ("recovery-codes/", "", "webauthn/", "webauthn/add/", "reauthenticate/"):
        page.goto(f"/panel/accounts/2fa/{path}")
        found += wrong_with(page)
    for path in ("totp/deactivate/", "recovery-codes/generate/"):
        page.goto(f"/panel/accounts/2fa/{path}")
        found += wrong_with(page)
    follow(page, page.get_by_role("button", name="Sign out"))
    ask_for_code(page, panel, STAFF)
    enter_code(page, panel, then="Second factor")
    found += wrong_with(page)
    assert found == [], "\n".join(found)


def test_the_administration_is_accessible(page: Page, panel: Server, aws: Sts) -> None:
    sign_in_staff(page, panel)
    start_trial(page, panel, aws)
    page.goto(f"/panel/request-license?account_id={ACCOUNT}&plan=paid")
    place_order(page)
    page.goto("/panel/admin/")
    found = wrong_with(page)
    for path in (f"search?q={ACCOUNT}", "search?q=nobody", "numbers", "numbers?day=x"):
        page.goto(f"/panel/admin/{path}")
        found += wrong_with(page)
    for name in LISTS:
        page.goto(f"/panel/admin/panel/{name}/")
        found += wrong_with(page)
        follow(page, page.locator("#result_list tbody th a").first)
        found += wrong_with(page)
    page.goto("/panel/admin/panel/issuedlicense/")
    page.locator("#result_list tbody input[type=checkbox]").first.check()
    page.locator("select[name=action]").select_option("replace")
    follow(page, page.get_by_role("button", name=re.compile("Go|Run")))
    found += wrong_with(page)
    page.get_by_label("Reason").evaluate("it => it.form.noValidate = true")
    page.get_by_role("button", name="Replace licenses").click()
    expect(page.locator(".errorlist").first).to_be_visible()
    found += wrong_with(page)
    page.get_by_label("Reason").fill("lost")
    page.get_by_role("button", name="Replace licenses").click()
    expect(page.get_by_text("Done: ")).to_be_visible()
    found += wrong_with(page)
    assert found == [], "\n".join(found)
