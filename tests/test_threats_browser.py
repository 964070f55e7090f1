"""Tests of policy changes on the Threats page, in a browser."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.person import accessibility_violations, overflows, sign_in
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
    save,
    stage_two,
)


def test_changes_are_staged_counted_and_saved_by_one_put(threats: Page, server: Server) -> None:
    puts: list[str] = []
    threats.on("request", lambda request: puts.append(request.method))
    stage_two(threats)
    assert policy(server) == ORIGINALLY

    save(threats)

    expect(threats.get_by_text("2 changes saved.")).to_be_visible()
    assert puts.count("PUT") == 1
    assert policy(server) == WITH_BOTH
    choose(threats, cell(threats, DENIAL), "Block")
    save(threats)  # with the ETag of the first answer
    expect(threats.get_by_text("1 change saved.")).to_be_visible()
    threats.reload()
    expect(cell(threats, BRUTE_FORCE)).to_have_attribute("title", "Set here")


def test_everything_that_inherits_follows_at_once(threats: Page) -> None:
    inheriting = cell(threats, DENIAL, "HIGH")
    expect(inheriting).to_have_text("Block")

    choose(threats, cell(threats, "", "HIGH"), "Save")
    expect(inheriting).to_have_text("Save")
    expect(inheriting).to_have_attribute("title", "From EC2, High")

    choose(threats, cell(threats, DENIAL), "Ignore")
    expect(inheriting).to_have_text("Ignore")
    expect(inheriting).to_have_attribute("title", f"From {DENIAL}, every severity")

    choose(threats, inheriting, "Block")
    expect(inheriting).to_have_attribute("title", "Set here, not saved")


def test_the_page_shows_after_staging_what_the_server_shows_after_saving(threats: Page) -> None:
    everything = "cells => cells.map(c => [c.textContent, c.dataset.action, 'set' in c.dataset])"
    threats.get_by_role("button", name="Expand all").click()
    stage_two(threats)
    choose(threats, cell(threats, "", ""), "Block")
    choose(threats, cell(threats, "", "", service="S3"), "Revoke")
    staged = threats.locator("[data-policy] .cell").evaluate_all(everything)

    save(threats)
    expect(threats.get_by_text("4 changes saved.")).to_be_visible()
    threats.reload()

    assert threats.locator("[data-policy] .cell").evaluate_all(everything) == staged


def test_the_menu_says_what_applies_and_where_it_comes_from(threats: Page) -> None:
    menu = threats.get_by_role("menu")

    cell(threats, DENIAL, "HIGH").click()
    expect(menu).to_have_accessible_description("Current action: Block. From EC2, High.")
    threats.keyboard.press("Escape")
    cell(threats, "", "HIGH").click()
    expect(menu).to_have_accessible_description("Current action: Block. Set here.")


def test_a_setting_can_be_taken_back(threats: Page, server: Server) -> None:
    cell(threats, "", "HIGH").click()
    threats.get_by_role("menuitem", name="Remove setting then Report, by default").click()
    expect(cell(threats, DENIAL, "HIGH")).to_have_text("Report")

    save(threats)

    expect(threats.get_by_text("1 change saved.")).to_be_visible()
    assert policy(server) == set()


def test_changes_are_undone_one_by_one_and_all_at_once(threats: Page) -> None:
    stage_two(threats)
    threats.locator("[data-staged-details] summary").click()
    expect(threats.locator("[data-staged-list] li")).to_have_count(2)

    threats.get_by_role("button", name=f"Undo: {BRUTE_FORCE}, every severity").click()
    expect(count(threats)).to_have_text("1 change")
    expect(cell(threats, BRUTE_FORCE)).to_have_attribute("title", "By default")

    choose(threats, cell(threats, BRUTE_FORCE), "Block")
    threats.get_by_role("button", name="Undo all").click()
    expect(count(threats)).to_be_hidden()
    expect(threats.locator("[data-policy] [data-staged]")).to_have_count(0)


def test_choosing_what_is_saved_already_is_no_change(threats: Page) -> None:
    choose(threats, cell(threats, "", "HIGH"), "Ignore")
    expect(count(threats)).to_have_text("1 change")

    choose(threats, cell(threats, "", "HIGH"), "Block")

    expect(count(threats)).to_be_hidden()


def test_revoke_is_offered_only_where_there_is_a_credential(threats: Page) -> None:
    revoke = threats.get_by_role("menuitemradio", name="Revoke", exact=True)
    asks = threats.get_by_role("menuitemradio", name="Ask to revoke")

    cell(threats, DENIAL).click()
    expect(revoke).to_have_count(0)
    expect(asks).to_have_count(0)
    threats.keyboard.press("Escape")
    cell(threats, "ThreatReaction:Ransomware/Write", service="Ransomware").click()
    expect(revoke).to_be_visible()
    expect(asks).to_be_visible()


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


def test_all_of_it_goes_by_keyboard(threats: Page, server: Server) -> None:
    keyboard = threats.keyboard
    threats.locator("#filter").focus()
    keyboard.type("ec2/sshbrute")
    for _ in range(12):  # past the links that fold, to the cells
        keyboard.press("Tab")
        if threats.evaluate("document.activeElement.matches(\".cell[data-severity='']\")"):
            break
    brute_force = cell(threats, BRUTE_FORCE)
    expect(brute_force).to_be_focused()
    assert brute_force.evaluate("cell => getComputedStyle(cell).outlineStyle") == "solid"

    keyboard.press("Enter")
    keyboard.press("ArrowDown")
    keyboard.press("s")
    expect(threats.get_by_role("menuitemradio", name="Save")).to_be_focused()
    keyboard.press("Escape")
    expect(brute_force).to_be_focused()
    expect(count(threats)).to_be_hidden()
    keyboard.press("Space")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(brute_force).to_be_focused()
    expect(count(threats)).to_have_text("1 change")
    threats.get_by_role("button", name="Save 1 change").focus()
    keyboard.press("Enter")

    expect(threats.get_by_text("1 change saved.")).to_be_focused()
    assert policy(server) == ORIGINALLY | {(None, BRUTE_FORCE, None, "REPORT")}


def test_the_filter_unfolds_what_matches_and_counts_it(threats: Page) -> None:
    found = threats.locator("[data-filter-count]")
    filter_box = threats.locator("#filter")
    rows = threats.locator("[data-policy] tbody tr:visible code")
    folds = threats.locator("details.service").evaluate_all("all => all.map(one => one.open)")

    filter_box.fill("lambda kali")
    expect(found).to_have_text(re.compile("^0 of "))
    expect(
        threats.get_by_text("No finding type, title, service or action matches.")
    ).to_be_visible()
    filter_box.fill("ransomware delete")
    expect(rows).to_have_text(["ThreatReaction:Ransomware/Delete"])
    filter_box.fill("rds bruteforce")
    expect(found).to_have_text(re.compile("^[1-9] of "))
    expect(rows.first).to_be_visible()
    filter_box.fill("ec2 block")
    expect(cell(threats, DENIAL, "HIGH")).to_be_visible()
    expect(cell(threats, "Recon:EC2/Portscan")).to_be_hidden()

    filter_box.fill("")
    after = threats.locator("details.service").evaluate_all("all => all.map(one => one.open)")
    assert after == folds


def test_viewers_can_fold_and_filter_and_nothing_else(page: Page, server: Server) -> None:
    sign_in(page, "vera")
    page.goto("/threats")

    page.locator("#filter").fill("sshbrute")

    expect(page.locator(f"tr[data-type='{BRUTE_FORCE}']")).to_be_visible()
    assert page.locator("[data-policy] button").count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_it_is_accessible_and_fits_while_a_save_is_refused(
    threats: Page, scheme: Literal["light", "dark"], width: int
) -> None:
    threats.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    threats.set_viewport_size({"width": width, "height": 900})
    assert accessibility_violations(threats) == []
    stage_two(threats)
    threats.locator("[data-staged-details] summary").click()
    threats.context.set_offline(True)
    save(threats)
    expect(threats.get_by_role("alert")).to_be_visible()

    assert accessibility_violations(threats) == []
    assert not overflows(threats)
    cell(threats, DENIAL).click()
    assert accessibility_violations(threats) == []
    threats.keyboard.press("Escape")
    threats.context.set_offline(False)
