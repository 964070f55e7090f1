from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from pytest_django.fixtures import Settings

from actions.tests.attacks import STOLEN, set_action
from actions.tests.credentials import RUNTIME
from serving import sqs
from serving.sqs import Queue
from tests import aws, roles
from tests.aws import Cloud


@pytest.fixture(autouse=True)
def _a_path_for_http(settings: Settings) -> None:
    """Sets up one path, without which every block is prevented."""
    settings.BLOCK_IP_SETS = [
        "arn:aws:wafv2:eu-central-1:123456789012:regional/ipset/blocked/1f-2e"
    ]


@pytest.fixture
def session(cloud: Cloud) -> boto3.Session:
    """Returns a session with the permissions of the worker."""
    session = boto3.Session(region_name=aws.REGION)
    roles.hold(session, roles.WORKER)
    return session


@pytest.fixture
def queue(
    cloud: Cloud, session: boto3.Session, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Queue:
    """The queue of findings, which a receive does not wait for."""
    monkeypatch.setattr(sqs, "LONG_POLL", 0)
    settings.FINDINGS_QUEUE_URL = cloud.queue()
    return Queue(session, settings.FINDINGS_QUEUE_URL)


@pytest.fixture
def ip_set(cloud: Cloud, settings: Settings) -> str:
    """Turns containment on, and returns the ARN of the only IPv4 IP set."""
    arn = cloud.ip_set("blocked")
    settings.CONTAINMENT = "on"
    settings.BLOCK_IP_SETS = [arn]
    return arn


@pytest.fixture
def revokes(ip_set: str) -> None:
    """Turns containment on, with REVOKE for findings about credentials and workloads."""
    set_action("REVOKE", finding_type=STOLEN)
    set_action("REVOKE", finding_type=RUNTIME)


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """The folder of the archive, which the first file creates."""
    settings.ARCHIVE_FOLDER = tmp_path / "archive"
    return tmp_path / "archive"
