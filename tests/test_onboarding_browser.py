"""The list of first steps on the dashboard, in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.person import sign_in


def test_the_first_steps_stay_hidden_in_the_browser_that_hid_them(page: Page) -> None:
    sign_in(page, "ada")
    page.goto("/")
    page.get_by_role("button", name="Hide this list").click()
    first_steps = page.get_by_role("heading", name="Getting started")
    expect(first_steps).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(first_steps).to_have_count(0)
