"""A person adds a webhook and a rule; a finding arrives, and the webhook verifies its signature."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from playwright.sync_api import Browser, expect
from standardwebhooks import Webhook

from findings.tests.findings import BRUTE_FORCE, finding
from license.tests.keys import make_license
from notifications.tests.receiver import Receiver, receiver
from tests.databases import Databases
from tests.person import new_page, sign_in
from tests.server import running, worker
from tests.test_processfindings import query, wait_until

STATES = "SELECT state FROM notifications_delivery ORDER BY id"
RELEASE = "UPDATE notifications_delivery SET due_at = created_at WHERE state = 'pending'"


def test_a_webhook_hears_of_a_finding_although_a_worker_is_killed(
    databases: Databases, chromium: Browser, tmp_path: Path
) -> None:
    with (
        receiver() as webhook,
        running(databases, NOTIFY_ALLOWED_NETWORKS="127.0.0.0/8") as server,
        new_page(chromium, server.url) as page,
    ):
        server.install(make_license())
        sign_in(page, "admin")
        page.goto("/notifications")
        page.get_by_role("link", name="Webhook").click()
        page.get_by_label("Name").fill("SOC")
        page.get_by_label("URL", exact=True).fill(f"{webhook.url}/hook")
        page.get_by_role("button", name="Add").click()
        secret = page.locator("#secret").inner_text()
        page.get_by_role("link", name="Notifications", exact=True).first.click()
        page.get_by_role("link", name="Add a rule").click()
        page.get_by_label("Name").fill("High findings")
        page.get_by_label("Severity at least").select_option("HIGH")
        page.get_by_label("SOC").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("The rule High findings is saved.")).to_be_visible()

        path = tmp_path / "findings.json"
        path.write_text(json.dumps([finding(1), finding(2, severity=2)]))
        done = server.manage("importfindings", str(path))
        assert done.returncode == 0, done.stderr
        environment = dict(server.environment)
        _kill_a_worker_that_sends(webhook, environment, tmp_path / "first.log")
        query(environment, f"{RELEASE} RETURNING id")  # as if its lease had run out
        with worker(environment, tmp_path / "second.log"):
            wait_until(environment, STATES, [("delivered",)], seconds=60)

        first, second = webhook.requests
        for request in (first, second):
            told = Webhook(secret).verify(request.body, dict(request.headers))
            assert told["findings"][0]["finding"]["type"] == BRUTE_FORCE
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        page.reload()
        expect(page.get_by_text("Delivering")).to_be_visible()


def _kill_a_worker_that_sends(webhook: Receiver, environment: dict[str, str], log: Path) -> None:
    """Has a worker send the message, and kills it before it knows the answer."""
    with worker(environment, log) as process:

        def answer(handler: object, over: object) -> None:
            process.send_signal(signal.SIGKILL)
            process.wait(30)

        webhook.answer = answer
        process.wait(60)
    webhook.answer = None
