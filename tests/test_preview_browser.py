"""Tests of the preview of policy changes on the Threats page, in a browser."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Locator, Page, Route, expect

from findings.tests.findings import finding
from tests.person import accessibility_violations, overflows
from tests.server import Server
from tests.threats import BRUTE_FORCE, DENIAL, cell, choose, count, save


def ingest(server: Server, folder: Path, findings: int) -> None:
    """Ingest current brute force findings at HIGH, which the policy of `threats` blocks."""
    now = {"eventLastSeen": datetime.now(UTC).isoformat()}
    path = folder / "findings.json"
    path.write_text(json.dumps([finding(number, service=now) for number in range(findings)]))
    done = server.manage("importfindings", str(path))
    assert done.returncode == 0, done.stderr


def preview(page: Page) -> Locator:
    return page.locator("[data-staged-preview]")


def test_it_follows_what_is_staged_is_accessible_and_fits(
    threats: Page, server: Server, tmp_path: Path
) -> None:
    ingest(server, tmp_path, findings=40)
    threats.emulate_media(color_scheme="light", reduced_motion="reduce")
    threats.set_viewport_size({"width": 320, "height": 900})

    choose(threats, cell(threats, BRUTE_FORCE), "Ignore")
    expect(preview(threats)).to_contain_text("40 would no longer have been blocked.")
    expect(preview(threats)).to_contain_text("40 would have been ignored instead of reported.")
    assert accessibility_violations(threats) == []
    assert not overflows(threats)
    threats.emulate_media(color_scheme="dark")
    threats.set_viewport_size({"width": 1280, "height": 900})
    assert accessibility_violations(threats, "color-contrast") == []
    assert not overflows(threats)

    choose(threats, cell(threats, BRUTE_FORCE), "Report")
    expect(preview(threats)).not_to_contain_text("ignored")
    choose(threats, cell(threats, "", "HIGH"), "Report")
    choose(threats, cell(threats, BRUTE_FORCE), "Block")
    expect(preview(threats)).to_contain_text(
        "These changes would not have affected any findings in the last 30 days (40 in total)."
    )
    save(threats)
    expect(threats.get_by_text("2 changes saved.")).to_be_focused()
    expect(preview(threats)).to_be_empty()

    choose(threats, cell(threats, BRUTE_FORCE), "Report")
    expect(preview(threats)).to_contain_text("40 would no longer have been blocked.")
    threats.get_by_role("button", name="Undo all").click()
    expect(preview(threats)).to_be_empty()

    choose(threats, cell(threats, BRUTE_FORCE), "Report")
    save(threats)
    expect(threats.get_by_text("1 change saved.")).to_be_visible()
    choose(threats, cell(threats, BRUTE_FORCE), "Block")
    expect(preview(threats)).to_contain_text("40 more would have been blocked, from 40 addresses.")
    preview(threats).get_by_text("Show addresses").click()
    expect(preview(threats).get_by_text("198.51.100.2", exact=True)).to_be_visible()
    choose(threats, cell(threats, DENIAL), "Block")  # the addresses stay unfolded
    expect(count(threats)).to_have_text("2 changes")
    expect(preview(threats)).to_have_attribute("aria-busy", "false")
    expect(preview(threats).get_by_text("198.51.100.2", exact=True)).to_be_visible()


def _session_has_ended(route: Route) -> None:
    route.fulfill(status=302, headers={"Location": "/accounts/login/"})


def _broken(route: Route) -> None:
    route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")


def _no_answer(route: Route) -> None:
    route.abort()


def test_the_latest_answer_wins_and_without_one_saving_works(threats: Page) -> None:
    asked: list[Route] = []
    threats.route("**/threats/preview", lambda route: asked.append(route))
    for number, action in enumerate(("Save", "Block"), start=1):
        choose(threats, cell(threats, BRUTE_FORCE), action)
        while len(asked) < number:
            threats.wait_for_timeout(50)
    asked[1].fulfill(body="<p>of the second</p>")
    expect(preview(threats)).to_have_text("of the second")
    asked[0].fulfill(body="<p>of the first</p>")
    threats.wait_for_timeout(200)
    expect(preview(threats)).to_have_text("of the second")
    threats.unroute("**/threats/preview")

    for number, happening in enumerate((_session_has_ended, _broken, _no_answer)):
        threats.route("**/threats/preview", happening)
        with threats.expect_request("**/threats/preview"):
            choose(threats, cell(threats, BRUTE_FORCE), ("Save", "Block", "Ignore")[number])
        expect(preview(threats)).to_have_attribute("aria-busy", "false")
        expect(preview(threats)).to_be_empty()
        threats.unroute("**/threats/preview")
    save(threats)
    expect(threats.get_by_text("1 change saved.")).to_be_visible()
