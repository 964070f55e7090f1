"""Tests of the License page in a browser, with and without JavaScript."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Browser, Page, expect

from license.tests import keys
from license.tests.keys import make_license
from tests.person import accessibility_violations, overflows, sign_in
from tests.server import Server


def test_the_preview_appears_as_the_key_is_pasted(page: Page, server: Server) -> None:
    server.install(make_license())
    sign_in(page, "ada")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("navigation").get_by_role("link", name="License").click()
    page.get_by_label("License key").fill(make_license(days=3))
    expect(page.get_by_text("It expires before the license in force")).to_be_visible()
    assert accessibility_violations(page) == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert not overflows(page)
    page.get_by_label("Install it anyway").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Paid license installed.")).to_be_visible()


def test_the_account_is_copied_and_a_file_can_be_dropped_on_the_form(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, "ada")
    page.goto("/license")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == keys.ACCOUNT
    expect(page.get_by_text("You can also drop a key file here.")).to_be_visible()
    dropped = page.evaluate_handle(
        """key => {
            const data = new DataTransfer();
            data.items.add(new File([key], "license.txt", { type: "text/plain" }));
            return data;
        }""",
        make_license(customer="From a file"),
    )
    page.get_by_label("License key").dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.get_by_role("cell", name="From a file")).to_be_visible()


def test_a_refusal_on_a_phone_is_in_view_and_keeps_the_chosen_file(
    page: Page, server: Server
) -> None:
    server.put_into_history(make_license(begins=timedelta(days=-9), days=8))  # a long page
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, "ada")
    page.goto("/license")
    quoted = f'"{make_license()}"'
    page.get_by_label("choose a key file").set_input_files(
        {"name": "license.txt", "mimeType": "text/plain", "buffer": quoted.encode()}
    )
    expect(page.get_by_label("License key")).to_have_value(quoted)
    page.get_by_role("button", name="Save").click()
    refusal = page.get_by_role("alert").filter(has_text="it is in quotation marks")
    expect(refusal).to_be_focused()
    expect(refusal).to_be_in_viewport()
    expect(page.get_by_label("License key")).to_have_value(quoted)
    assert not overflows(page)
    assert accessibility_violations(page) == []


def test_without_scripts_the_preview_is_a_step(chromium: Browser, server: Server) -> None:
    context = chromium.new_context(base_url=server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, "ada")
    page.goto("/license")
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    page.get_by_label("License key").fill(make_license(customer="By hand"))
    page.get_by_role("button", name="Check the key").click()
    expect(page.get_by_role("cell", name="By hand")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Paid license installed.")).to_be_visible()
    context.close()
