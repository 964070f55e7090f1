"""From a registered bucket and a log file to the denial of who attacks it, in a browser."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from detectors.tests.traffic import file_key, packed, record, role, user
from license.tests.keys import make_license
from tests.aws import REGION, Cloud
from tests.databases import Databases
from tests.person import new_page, sign_in
from tests.server import Server, running, worker

WRITE = "ThreatReaction:Ransomware/Write"
SSE_C = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}


@pytest.fixture
def queue(cloud: Cloud) -> str:
    """The URL of the queue of events. The bucket of the trail and the attacked one exist too."""
    for name in ("trail", "invoices"):
        where = {"LocationConstraint": REGION}
        cloud.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
    return cloud.queue()


@pytest.fixture
def portal(databases: Databases, cloud: Cloud, queue: str, tmp_path: Path) -> Iterator[Server]:
    """A portal with a license, and both of its workers."""
    settings = cloud.environment | {
        "CONTAINMENT": "on",
        "BUCKET_POLICIES": "on",
        "EVENTS_QUEUE_URL": queue,
    }
    with (
        running(databases, **settings) as server,
        worker(server.environment, tmp_path / "log"),
        worker(server.environment, tmp_path / "events", command="processevents"),
    ):
        server.install(make_license())
        yield server


@pytest.fixture
def operator(chromium: Browser, portal: Server) -> Iterator[Page]:
    with new_page(chromium, portal.url) as page:
        sign_in(page, "oscar")
        yield page


def deliver(cloud: Cloud, queue: str) -> None:
    """Puts a log file into the bucket of the trail: usual reads of yesterday, and an attack."""
    now = datetime.now(UTC)
    usual = [record(at=now - timedelta(hours=23), by=user("ann")) for _ in range(40)]
    attack = [record("PutObject", at=now, by=role("app"), parameters=SSE_C) for _ in range(25)]
    cloud.client("s3").put_object(Bucket="trail", Key=file_key(), Body=packed(usual + attack))
    detail = {"bucket": {"name": "trail"}, "object": {"key": file_key()}}
    body = json.dumps({"detail-type": "Object Created", "detail": detail})
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)


def until_denied(cloud: Cloud) -> str:
    """Waits for the policy of the bucket, and returns it."""
    deadline = time.monotonic() + 40
    s3 = cloud.client("s3")
    while True:
        try:
            return str(s3.get_bucket_policy(Bucket="invoices")["Policy"])
        except s3.exceptions.ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_registered_bucket_is_watched_and_who_attacks_it_is_denied(
    operator: Page, portal: Server, cloud: Cloud, queue: str
) -> None:
    page = operator
    page.goto("/buckets")
    page.get_by_label("Bucket", exact=True).fill("invoices")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("main")).to_contain_text("Waiting for events")
    assert portal.put({"policies": [{"finding_type": WRITE, "action": "BLOCK"}]}).ok

    deliver(cloud, queue)
    assert "arn:aws:iam::123456789012:role/app" in until_denied(cloud)

    page.goto("/events")
    expect(page.locator("main table")).to_contain_text("role/app overwrites objects")
    page.goto("/actions?now=denied")
    row = page.locator("tbody tr")
    expect(row).to_contain_text("Deny")
    expect(row).to_contain_text("invoices arn:aws:iam::123456789012:role/app")
    expect(row).to_contain_text("Done")

    page.goto("/buckets/of/invoices")
    expect(page.locator("svg.hours .band").first).to_be_attached()
    expect(page.locator("main")).to_contain_text("Objects written: 25")
    expect(page.locator("[aria-labelledby=findings]")).to_contain_text(WRITE)
