"""What programs request: POST /actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import end_in_days
from license.models import License
from tests.aws import Cloud

pytestmark = pytest.mark.one_database  # requests that are refused

HTML = {"Accept": "text/html"}
BLOCK = {"action": "BLOCK", "target_kind": "address", "target": "81.2.69.1", "reason": "Feed"}
Program = Callable[[str], Client]


@pytest.fixture(autouse=True)
def _acts(settings: Settings, db: None) -> None:
    settings.CONTAINMENT = "on"


def post(client: Client, body: Any, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/actions", body, content_type="application/json", headers=headers)


@pytest.mark.every_database  # from the request to the log
def test_a_program_blocks_an_address_that_no_finding_names(
    cloud: Cloud, ip_set: str, session: boto3.Session, program: Program, valid_license: License,
    viewer_client: Client,
) -> None:  # fmt: skip
    client = program("actions:write findings:read")
    answer = post(client, BLOCK | {"duration": "12h"})
    assert answer.status_code == 201
    stored = answer.json()
    assert (stored["finding_id"], stored["state"]) == (None, "pending")
    assert stored["why"] == "Requested by pipeline: Feed"
    assert end_in_days() == 0.5
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {"81.2.69.1/32"}
    assert client.get("/actions").json()["actions"][0]["state"] == "done"
    page = viewer_client.get("/actions", headers=HTML).content.decode()
    assert "By hand, without a finding" in page
    undone = post(client, BLOCK | {"action": "UNBLOCK"})
    assert (undone.status_code, undone.json()["state"]) == (201, "pending")
    again = post(client, BLOCK | {"action": "UNBLOCK"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_in_force")


@pytest.mark.every_database  # locks
def test_the_same_request_again_acts_once(program: Program, valid_license: License) -> None:
    client = program("actions:write")
    first, again = post(client, BLOCK, "a"), post(client, BLOCK, "a")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = post(client, BLOCK | {"duration": None}, "a")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert post(client, BLOCK, "b").status_code == 201
    assert Reaction.objects.count() == 2
    with pytest.raises(IntegrityError):
        Reaction.objects.create(
            kind="BLOCK", target_kind="address", target="x", why="x", state="pending",
            decided_at=timezone.now(), due_at=timezone.now(), requested_by_name="x",
            request_key=Reaction.objects.earliest("pk").request_key,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"reason": " "}, "/reason"),
        ({"reason": "a\0b"}, "/reason"),
        ({"action": "REVOKE", "target_kind": "access key", "target": "A\0B"}, "/target"),
        ({"target": "81.2.69"}, "/target"),
        ({"target_kind": "instance"}, "/target"),
        ({"action": "SAVE"}, "/action"),
        ({"duration": "1 week"}, "/duration"),
        ({"duration": "99999d"}, ""),
        ({"finding_id": 987654}, "/finding_id"),
        (
            {"action": "REVOKE", "target_kind": "access key", "target": "AKIAIOSFODNN7EXAMPLE"},
            "/target",
        ),
        ({"action": "UNBLOCK", "duration": "1d"}, ""),
    ],
)
def test_a_request_that_cannot_be_is_told_where(
    program: Program, valid_license: License, change: Any, pointer: str
) -> None:
    answer = post(program("actions:write"), BLOCK | change)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Reaction.objects.exists()


def test_a_program_needs_the_scope_and_the_license(
    program: Program, expired_license: License
) -> None:
    assert post(program("actions:write"), BLOCK).json()["code"] == "license_expired"


def test_the_scope_is_its_own(program: Program, valid_license: License) -> None:
    assert post(program("findings:write"), BLOCK).json()["code"] == "insufficient_scope"
