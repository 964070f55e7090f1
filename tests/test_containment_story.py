"""Blocks and unblocks an address, and tests AWS, with a browser, a worker, and AWS over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from actions.tests.attacks import attack
from license.tests.keys import make_license
from tests.aws import Cloud
from tests.databases import Databases
from tests.person import new_page, sign_in
from tests.server import Server, running, worker
from tests.threats import BRUTE_FORCE, cell, choose, save

ADDRESS = "81.2.69.142"


@pytest.fixture
def ip_set(cloud: Cloud) -> str:
    return cloud.ip_set("blocked")


@pytest.fixture
def portal(databases: Databases, cloud: Cloud, ip_set: str, tmp_path: Path) -> Iterator[Server]:
    """A portal with a license, CONTAINMENT=on and a worker."""
    settings = cloud.environment | {"CONTAINMENT": "on", "BLOCK_IP_SETS": ip_set}
    with running(databases, **settings) as server, worker(server.environment, tmp_path / "log"):
        server.install(make_license())
        yield server


@pytest.fixture
def operator(chromium: Browser, portal: Server) -> Iterator[Page]:
    with new_page(chromium, portal.url) as page:
        sign_in(page, "oscar")
        yield page


def finding(portal: Server, number: int) -> None:
    """Send a finding about another attack from the address."""
    done = portal.manage("importfindings", "-", stdin=json.dumps(attack(number, ADDRESS)))
    assert done.returncode == 0, done.stderr


def wait_for(cloud: Cloud, ip_set: str, expected: set[str]) -> None:
    deadline = time.monotonic() + 20
    while cloud.addresses(ip_set) != expected:
        assert time.monotonic() < deadline, cloud.addresses(ip_set)
        time.sleep(0.1)


def do(row: Locator, name: str) -> None:
    """Unfold a form of a row of the log, state a reason, and submit it."""
    form = row.locator("details", has_text=name)
    form.locator("summary").click()
    form.get_by_label("Reason").fill("A partner of ours")
    form.get_by_role("button", name=name).click()


def test_block_unblock_and_allow(operator: Page, portal: Server, cloud: Cloud, ip_set: str) -> None:
    page = operator
    page.goto("/threats")
    page.locator("[data-filter] input").fill(BRUTE_FORCE)
    choose(page, cell(page, BRUTE_FORCE), "Block")
    save(page)
    expect(page.locator("[data-saved]")).to_be_visible()

    finding(portal, 1)
    wait_for(cloud, ip_set, {f"{ADDRESS}/32"})
    page.goto("/actions?now=blocked")
    row = page.locator("tbody tr")
    expect(row).to_contain_text(ADDRESS)
    expect(row).to_contain_text("Done")

    do(row, "Unblock")
    expect(page.locator(".notice")).to_contain_text(f"Unblock {ADDRESS} was requested")
    wait_for(cloud, ip_set, set())
    page.goto("/actions?now=blocked")
    expect(page.locator("main")).not_to_contain_text(ADDRESS)

    page.goto("/actions?action=BLOCK")
    do(page.locator("tbody tr"), "Allow for this threat only")
    expect(page.locator("main table")).to_contain_text(ADDRESS)

    finding(portal, 2)
    page.goto("/actions?action=BLOCK")
    newest = page.locator("tbody tr").first
    expect(newest).to_contain_text("Prevented")
    expect(newest).to_contain_text("allowlist")
    assert cloud.addresses(ip_set) == set()
    newest.get_by_role("link", name=BRUTE_FORCE).click()
    expect(page.locator(".reactions")).to_contain_text("Reported only")

    page.context.clear_cookies()
    sign_in(page)
    page.goto("/application")
    page.get_by_role("button", name="Run the self-test").click()
    result = page.locator("#self-test-result")  # which the page asks for again and again
    expect(result).to_contain_text("All that is set up answers", timeout=20_000)
    expect(result).to_contain_text("0 of 10000 entries.")
