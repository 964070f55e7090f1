"""Helpers for tests of the Threats page."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.server import Server

BRUTE_FORCE = "UnauthorizedAccess:EC2/SSHBruteForce"
DENIAL = "Backdoor:EC2/DenialOfService.Dns"

# As in policy(): service, finding type, severity, action.
ORIGINALLY = {("EC2", None, "HIGH", "BLOCK")}
WITH_BOTH = ORIGINALLY | {("EC2", None, "LOW", "IGNORE"), (None, BRUTE_FORCE, None, "SAVE")}


def setting(action: str | None, **target: str) -> dict[str, str | None]:
    """Return a rule for PUT /findings. `target` is service or finding_type, and severity."""
    return {**target, "action": action}


def put(server: Server, *settings: dict[str, str | None]) -> None:
    """Save rules with PUT /findings."""
    answer = server.put({"policies": settings})
    assert answer.status_code == 200, answer.text


def cell(page: Page, finding_type: str, severity: str = "", *, service: str = "EC2") -> Locator:
    """Return a cell of the grid; "" means all finding types or all severities."""
    row = f"[data-service='{service}'] tr[data-type='{finding_type}']"
    return page.locator(f"{row} .cell[data-severity='{severity}']")


def choose(page: Page, cell: Locator, action: str) -> None:
    """Select an action in the menu of a cell, without saving it."""
    cell.click()
    page.get_by_role("menuitemradio", name=action, exact=True).click()


def stage_two(page: Page) -> None:
    """Make two unsaved changes: brute force to SAVE and EC2 at LOW to IGNORE."""
    choose(page, cell(page, BRUTE_FORCE), "Save")
    choose(page, cell(page, "", "LOW"), "Ignore")
    expect(count(page)).to_have_text("2 changes")


def count(page: Page) -> Locator:
    """Return the element with the number of unsaved changes."""
    return page.locator("[data-staged-count]")


def save(page: Page) -> None:
    """Click the save button."""
    page.get_by_role("button", name=re.compile("^Save [0-9]+ change")).click()


def policy(server: Server) -> set[tuple[str | None, ...]]:
    """Return the saved rules as tuples: service, finding type, severity, action."""
    answer = server.request(
        "GET", "/findings", headers={"Authorization": f"Bearer {server.access_token()}"}
    )
    return {tuple(setting.values()) for setting in answer.json()["policies"]}
