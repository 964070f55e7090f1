from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from pytest_django.fixtures import Settings

from tests import aws
from tests.aws import Cloud


@pytest.fixture(scope="session")
def _running_cloud() -> Iterator[Cloud]:
    with aws.cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(_running_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """AWS, to which every client of boto3 goes, with nothing in it."""
    _running_cloud.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", _running_cloud.url)
    for name, value in aws.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return _running_cloud


@pytest.fixture
def session(cloud: Cloud) -> boto3.Session:
    return boto3.Session(region_name=aws.REGION)


@pytest.fixture
def ip_set(cloud: Cloud, settings: Settings) -> str:
    """Containment is on; the ARN of the one set for IPv4 addresses."""
    arn = cloud.ip_set("blocked")
    settings.CONTAINMENT = "on"
    settings.BLOCK_IP_SETS = [arn]
    return arn
