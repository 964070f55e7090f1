"""Tests of policy changes on the Threats page, in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import Dialog, Page, expect

from tests.person import accessibility_violations, follow, overflows, sign_in
from tests.server import Server
from tests.threats import (
    BRUTE_FORCE,
    DENIAL,
    ORIGINALLY,
    WITH_BOTH,
    cell,
    choose,
    count,
    policy,
    put,
    save,
    setting,
    stage_two,
)

CREDENTIALS = "CredentialAccess:IAMUser/AnomalousBehavior"


def test_changes_are_staged_counted_and_saved_by_one_put(threats: Page, server: Server) -> None:
    everything = "cells => cells.map(c => [c.textContent, c.dataset.action, 'set' in c.dataset])"
    puts: list[str] = []
    threats.on("request", lambda request: puts.append(request.method))
    stage_two(threats)
    assert policy(server) == ORIGINALLY

    save(threats)

    expect(threats.get_by_text("2 changes saved.")).to_be_visible()
    assert puts.count("PUT") == 1
    assert policy(server) == WITH_BOTH
    threats.get_by_role("button", name="Expand all").click()
    choose(threats, cell(threats, "", ""), "Block")
    choose(threats, cell(threats, "", "", service="S3"), "Revoke")
    cell(threats, "", "HIGH").click()
    threats.get_by_role("menuitem", name="Remove setting then Block").click()
    staged = threats.locator("[data-policy] .cell").evaluate_all(everything)
    save(threats)  # with the ETag of the first answer
    expect(threats.get_by_text("3 changes saved.")).to_be_visible()
    assert len(policy(server)) == 4

    threats.reload()  # the server shows what the page showed before saving
    assert threats.locator("[data-policy] .cell").evaluate_all(everything) == staged
    expect(count(threats)).to_be_hidden()


def test_every_cell_shows_what_applies_and_can_be_undone(threats: Page) -> None:
    menu = threats.get_by_role("menu")
    inheriting = cell(threats, DENIAL, "HIGH")
    expect(inheriting).to_have_text("Block")
    inheriting.click()
    expect(menu).to_have_accessible_description("Current action: Block. From EC2, High.")
    threats.keyboard.press("Escape")
    cell(threats, "", "HIGH").click()
    expect(menu).to_have_accessible_description("Current action: Block. Set here.")
    threats.keyboard.press("Escape")

    choose(threats, cell(threats, "", "HIGH"), "Save")
    expect(inheriting).to_have_text("Save")
    expect(inheriting).to_have_attribute("title", "From EC2, High")
    choose(threats, cell(threats, DENIAL), "Ignore")
    expect(inheriting).to_have_text("Ignore")
    expect(inheriting).to_have_attribute("title", f"From {DENIAL}, every severity")
    choose(threats, inheriting, "Block")
    expect(inheriting).to_have_attribute("title", "Set here, not saved")

    expect(count(threats)).to_have_text("3 changes")
    threats.locator("[data-staged-details] summary").click()
    threats.get_by_role("button", name=f"Undo: {DENIAL}, every severity").click()
    expect(count(threats)).to_have_text("2 changes")
    expect(cell(threats, DENIAL)).to_have_attribute("title", "By default")
    choose(threats, cell(threats, "", "HIGH"), "Block")  # what is saved already
    expect(count(threats)).to_have_text("1 change")
    threats.get_by_role("button", name="Undo all").click()
    expect(count(threats)).to_be_hidden()
    expect(threats.locator("[data-policy] [data-staged]")).to_have_count(0)


def test_one_action_is_staged_for_all_types_that_the_filter_shows(
    threats: Page, server: Server
) -> None:
    found = threats.locator("[data-filter-count]")
    filter_box = threats.locator("#filter")
    rows = threats.locator("[data-policy] tbody tr:visible code")
    folds = threats.locator("details.service").evaluate_all("all => all.map(one => one.open)")
    filter_box.fill("lambda kali")
    expect(found).to_have_text(re.compile("^0 of "))
    expect(threats.get_by_text("No finding type, title, service or action matches")).to_be_visible()
    filter_box.fill("ransomware delete")
    expect(rows).to_have_text(["ThreatReaction:Ransomware/Delete"])
    filter_box.fill("ec2 block")
    expect(cell(threats, DENIAL, "HIGH")).to_be_visible()
    expect(cell(threats, "Recon:EC2/Portscan")).to_be_hidden()

    filter_box.fill("dos denial")
    expect(found).to_have_text(re.compile("^0 of "))
    filter_box.fill("denialofservice")
    expect(rows).to_have_count(5)
    stage_all = threats.get_by_role("button", name="Set all shown")
    stage_all.click()
    dialog = threats.get_by_role("dialog", name="Set all shown types")
    expect(dialog).to_contain_text("The filter “denialofservice” shows 5 types.")
    dialog.get_by_label("Action").select_option("REVOKE")
    expect(dialog).to_contain_text("5 types are left out: their findings name no credential.")
    expect(dialog.get_by_role("button", name="Stage 0 changes")).to_be_disabled()
    dialog.get_by_label("Action").select_option("BLOCK")
    dialog.get_by_label("Medium").check()  # they never have it
    dialog.get_by_label("High").check()
    assert accessibility_violations(threats) == []
    dialog.get_by_role("button", name="Stage 10 changes").click()

    expect(count(threats)).to_have_text("10 changes")
    assert policy(server) == ORIGINALLY
    threats.get_by_role("button", name="Undo these 10").click()
    expect(count(threats)).to_be_hidden()
    stage_all.click()
    dialog.get_by_label("High").uncheck()
    dialog.get_by_role("button", name="Stage 5 changes").click()
    save(threats)
    expect(threats.get_by_text("5 changes saved.")).to_be_visible()
    assert len(policy(server)) == 6
    filter_box.fill("")
    after = threats.locator("details.service").evaluate_all("all => all.map(one => one.open)")
    assert after == folds


def test_all_of_it_goes_by_keyboard(threats: Page, server: Server) -> None:
    keyboard = threats.keyboard
    focused = threats.locator(":focus")

    def press(*keys: str) -> None:
        for key in keys:
            keyboard.press(key)

    threats.get_by_role("button", name="Collapse all").click()
    threats.locator("[data-service=EC2] summary").click()
    threats.locator("#filter").focus()
    press("ArrowDown")  # into the first row, of the only service that is open
    expect(focused).to_have_accessible_name("Every EC2 type, every severity: Report")
    expect(focused).to_have_accessible_description("By default")
    assert focused.evaluate("cell => getComputedStyle(cell).outlineStyle") == "solid"
    press("End", "ArrowRight", "ArrowLeft")
    expect(focused).to_have_accessible_name("Every EC2 type, High: Block")
    press("ArrowDown")
    expect(focused).to_have_accessible_name(
        "AttackSequence:EC2/CompromisedInstanceGroup, High: never"
    )
    expect(focused).to_have_accessible_description(
        "Findings of this type never have this severity."
    )
    press("Home", "ArrowUp", "ArrowUp")
    expect(focused).to_have_accessible_name(re.compile("^EC2"))
    press("ArrowLeft", "ArrowDown")  # collapses it
    expect(focused).to_have_accessible_name(re.compile("^(?!EC2)"))
    press("PageUp", "ArrowRight", "PageDown", "PageUp", "ArrowDown")
    expect(focused).to_have_accessible_name("Every EC2 type, every severity: Report")
    press("Control+End")
    assert threats.evaluate("innerHeight - document.activeElement.getBoundingClientRect().top > 0")
    press("Control+Home")
    expect(focused).to_have_accessible_name(re.compile("^S3Data"))

    threats.locator("#filter").fill("ec2/sshbrute")
    press("Tab", "Tab", "Tab", "Tab")  # past the three buttons of the filter: one tab stop
    expect(focused).to_have_accessible_name(re.compile("^EC2"))
    press("ArrowDown")
    brute_force = cell(threats, BRUTE_FORCE)
    expect(brute_force).to_be_focused()
    press("Tab")
    expect(threats.locator("[data-policy] :focus")).to_have_count(0)
    press("Shift+Tab")
    expect(brute_force).to_be_focused()

    press("Enter", "ArrowDown", "s")
    expect(threats.get_by_role("menuitemradio", name="Save", exact=True)).to_be_focused()
    press("Escape")
    expect(brute_force).to_be_focused()
    expect(count(threats)).to_be_hidden()
    press("Control+Enter")  # there is nothing to save
    press("Space", "ArrowDown", "Enter")
    expect(brute_force).to_be_focused()
    expect(count(threats)).to_have_text("1 change")
    press("Control+Enter")

    expect(threats.get_by_text("1 change saved.")).to_be_focused()
    assert policy(server) == ORIGINALLY | {(None, BRUTE_FORCE, None, "REPORT")}


def test_unsaved_changes_come_back_until_they_are_saved_or_the_user_signs_out(
    threats: Page, server: Server
) -> None:
    stage_two(threats)
    put(server, setting("BLOCK", finding_type=BRUTE_FORCE))
    again = threats.context.new_page()  # the first page is lost, without a chance to ask
    again.goto("/threats")

    told = again.locator("[data-told]")
    expect(told).to_contain_text("2 changes from")
    expect(told).to_contain_text("The policy has changed since. Compare 1 change with what others")
    assert accessibility_violations(again) == []
    again.locator("[data-staged-details] summary").click()
    expect(again.locator("[data-staged-list]")).to_contain_text(
        "Block → Save Changed meanwhile; it was: not set."
    )
    assert policy(server) == ORIGINALLY | {(None, BRUTE_FORCE, None, "BLOCK")}
    save(again)
    expect(again.get_by_text("2 changes saved.")).to_be_visible()
    expect(count(threats)).to_be_hidden()  # the other tab of the same user follows
    assert policy(server) == WITH_BOTH

    again.goto("/changes")
    follow(again, again.locator("tr", has_text=BRUTE_FORCE).first.get_by_role("link"))
    expect(told).to_contain_text("This reverts the change by oscar on")
    expect(count(again)).to_have_text("1 change")
    expect(cell(again, BRUTE_FORCE)).to_be_focused()
    expect(cell(again, BRUTE_FORCE)).to_have_text("Block")
    assert policy(server) == WITH_BOTH
    again.on("dialog", lambda dialog: dialog.accept())
    follow(again, again.get_by_role("button", name="Sign out"))
    sign_in(again, "oscar")
    again.goto("/threats")
    expect(count(again)).to_be_hidden()
    expect(told).to_be_hidden()


def test_what_others_set_meanwhile_appears(threats: Page, server: Server) -> None:
    revoke = threats.get_by_role("menuitemradio", name="Revoke", exact=True)
    asks = threats.get_by_role("menuitemradio", name="Ask to revoke")
    cell(threats, DENIAL).click()
    expect(revoke).to_have_count(0)
    expect(asks).to_have_count(0)
    threats.keyboard.press("Escape")
    stage_two(threats)
    put(
        server,
        setting("BLOCK", finding_type="Trojan:EC2/Brand.New"),
        setting("SAVE", finding_type="Trojan:Satellite/Unheard"),
        setting("BLOCK", finding_type="Recon:EC2/Portscan", severity="CRITICAL"),
        setting("IGNORE", finding_type=CREDENTIALS),
    )

    threats.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    told = threats.locator("[data-told]")
    expect(told).to_contain_text("Others have changed the policy.")
    expect(told).to_contain_text("every severity: not set → Ignore")
    expect(told).to_contain_text("and 1 more")
    expect(cell(threats, "Recon:EC2/Portscan", "CRITICAL")).to_have_text("Block")
    expect(cell(threats, "Trojan:Satellite/Unheard", service="Satellite")).to_have_text("Save")
    expect(cell(threats, CREDENTIALS, service="IAM")).to_have_text("Ignore")
    told.get_by_role("button", name="Dismiss").click()
    expect(told).to_be_hidden()
    choose(threats, cell(threats, "Trojan:EC2/Brand.New"), "Revoke")
    expect(count(threats)).to_have_text("3 changes")
    save(threats)
    expect(threats.get_by_text("3 changes saved.")).to_be_visible()


def test_leaving_with_unsaved_changes_asks_first(threats: Page) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    threats.on("dialog", stay)
    stage_two(threats)
    threats.get_by_role("link", name="Events", exact=True).click()
    expect(count(threats)).to_have_text("2 changes")
    assert asked == ["beforeunload"]

    threats.get_by_role("button", name="Undo all").click()
    threats.get_by_role("link", name="Events", exact=True).click()
    threats.wait_for_url("**/events")
    assert asked == ["beforeunload"]


def test_viewers_can_fold_and_filter_and_nothing_else(page: Page, server: Server) -> None:
    sign_in(page, "vera")
    page.goto("/threats")

    page.locator("#filter").fill("sshbrute")

    expect(page.locator(f"tr[data-type='{BRUTE_FORCE}']")).to_be_visible()
    assert page.locator("[data-policy] button").count() == 0


def test_it_is_accessible_and_fits_while_a_save_is_refused(threats: Page) -> None:
    threats.emulate_media(color_scheme="light", reduced_motion="reduce")
    threats.set_viewport_size({"width": 320, "height": 900})
    threats.get_by_text("Keyboard", exact=True).click()
    assert accessibility_violations(threats) == []
    stage_two(threats)
    threats.locator("[data-staged-details] summary").click()
    threats.context.set_offline(True)
    save(threats)
    expect(threats.get_by_role("alert")).to_be_visible()
    assert accessibility_violations(threats) == []
    assert not overflows(threats)
    threats.emulate_media(color_scheme="dark")
    threats.set_viewport_size({"width": 1280, "height": 900})
    cell(threats, DENIAL).click()
    assert accessibility_violations(threats) == []
    assert not overflows(threats)
    threats.keyboard.press("Escape")
    threats.context.set_offline(False)
