from __future__ import annotations

import boto3
import pytest
from pytest_django.fixtures import Settings

from tests import aws, roles
from tests.aws import Cloud


@pytest.fixture
def session(cloud: Cloud) -> boto3.Session:
    """Returns a session with the permissions of the worker."""
    session = boto3.Session(region_name=aws.REGION)
    roles.hold(session, roles.WORKER)
    return session


@pytest.fixture
def ip_set(cloud: Cloud, settings: Settings) -> str:
    """Turns containment on, and returns the ARN of the only IPv4 IP set."""
    arn = cloud.ip_set("blocked")
    settings.CONTAINMENT = "on"
    settings.BLOCK_IP_SETS = [arn]
    return arn
