from __future__ import annotations

import boto3
import pytest
from pytest_django.fixtures import Settings

from tests import aws
from tests.aws import Cloud


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
