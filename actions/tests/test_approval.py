"""Actions of the policy that ask a person first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api_auth import Caller
from actions import approval, undo
from actions.execution import carry_out_due
from actions.models import Reaction
from actions.reconcile import reconcile
from actions.tests.attacks import STOLEN, arrive, attack, set_action, stolen
from license.models import License
from tests.aws import Cloud

HTML = {"Accept": "text/html"}
ADDRESS = "81.2.0.2"

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # rules, pages and answers


@pytest.fixture(autouse=True)
def _asks(settings: Settings) -> None:
    settings.CONTAINMENT = "on"
    settings.NOTIFY_TOPIC_ARN = ""
    set_action("ASK_BLOCK", severity="HIGH")


def page(client: Client, path: str = "/actions") -> str:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200
    return answer.content.decode()


def decide(client: Client, verdict: str, reason: str = "I checked it") -> str:
    path = f"/actions/{Reaction.objects.earliest('pk').pk}/decide"
    said = {"verdict": verdict, "reason": reason}
    return client.post(path, said, follow=True, headers=HTML).content.decode()


@pytest.mark.every_database  # from the decision to the log
def test_what_is_approved_is_done_and_its_time_begins_then(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator_client: Client,
    viewer_client: Client, valid_license: License,
) -> None:  # fmt: skip
    arrive(attack(1))
    assert carry_out_due(session) == 0
    waiting = page(operator_client)
    assert "Waiting for you: 1" in waiting
    assert "May approve: oscar." in waiting
    assert "ASK_BLOCK is set for UnauthorizedAccess:EC2/SSHBruteForce, HIGH" in waiting
    assert "Approve:" not in page(viewer_client)
    assert "State the reason" in decide(operator_client, "approve", " ")
    assert "was approved. A worker carries it out" in decide(operator_client, "approve")
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {f"{ADDRESS}/32"}
    asked, block = Reaction.objects.order_by("pk")
    assert (asked.state, block.state) == ("approved", "done")
    assert block.decided_at == asked.verdict.at
    assert block.ends_at == block.decided_at + timedelta(days=7)
    assert "Approved by oscar: I checked it." in page(viewer_client)
    assert "no longer waits" in decide(operator_client, "reject")


@pytest.mark.every_database  # locks
def test_an_approval_holds_although_the_address_was_unblocked_meanwhile(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator: User
) -> None:
    set_action("BLOCK", severity="MEDIUM")
    arrive(attack(1, severity=5.0))
    carry_out_due(session)
    arrive(attack(2, ADDRESS))
    by = Caller(name="oscar", user=operator)
    assert undo.undo(Reaction.objects.earliest("pk"), why="x", by=by, at=timezone.now())
    carry_out_due(session)
    assert cloud.addresses(ip_set) == set()
    waiting = Reaction.objects.get(state="waiting")
    approval.decide(waiting, approved=True, reason="x", by=by, at=timezone.now())
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {f"{ADDRESS}/32"}
    reconcile(session)
    assert cloud.addresses(ip_set) == {f"{ADDRESS}/32"}
    in_force = Reaction.objects.in_force().get(kind="BLOCK")
    assert in_force.why.endswith("Approved by oscar: x.")


@pytest.mark.every_database  # locks
def test_what_is_rejected_is_not_done(operator_client: Client, valid_license: License) -> None:
    arrive(attack(1))
    assert "was rejected" in decide(operator_client, "reject")
    found = Reaction.objects.get()
    assert (found.state, found.outcome) == ("prevented", "Rejected by oscar: I checked it.")
    assert "Waiting for you" not in page(operator_client)


@pytest.mark.every_database  # queries by time
def test_what_nobody_approves_expires_after_a_day(
    operator_client: Client, valid_license: License
) -> None:
    arrive(attack(1))
    now = timezone.now()
    assert approval.expire(now + timedelta(hours=23)) == 0
    assert approval.expire(now + timedelta(hours=25)) == 1
    assert Reaction.objects.get().outcome == "Nobody approved it within a day."
    assert "no longer waits" in decide(operator_client, "approve")


def test_without_a_worker_it_expires_all_the_same(operator: User) -> None:
    arrive(attack(1))
    late = timezone.now() + timedelta(hours=25)
    by = Caller(name="oscar", user=operator)
    waiting = Reaction.objects.get()
    assert approval.decide(waiting, approved=True, reason="x", by=by, at=late) is None


def test_the_safeguards_are_asked_again(
    operator_client: Client, valid_license: License, settings: Settings
) -> None:
    arrive(attack(1), attack(2, "10.0.0.1"))
    assert [one.state for one in Reaction.objects.order_by("pk")] == ["waiting", "prevented"]
    settings.NEVER_BLOCK = [ADDRESS]
    assert "which is in NEVER_BLOCK" in decide(operator_client, "approve")
    assert [one.state for one in Reaction.objects.order_by("pk")] == [
        "approved", "prevented", "prevented"
    ]  # fmt: skip


def test_only_what_contains_waits_and_severity_decides(settings: Settings) -> None:
    settings.AWS_ACCOUNT_ID = "123456789012"
    set_action("ASK_REVOKE", finding_type=STOLEN)
    arrive(attack(1), stolen("AKIAIOSFODNN7EXAMPLE", number=2), attack(3, severity=2.0))
    found = [(one.kind, one.state) for one in Reaction.objects.order_by("pk")]
    assert found == [("BLOCK", "waiting"), ("REVOKE", "waiting")]


def test_an_approval_in_a_dry_run_changes_nothing_in_aws(
    operator_client: Client, valid_license: License, settings: Settings
) -> None:
    settings.CONTAINMENT = "dry-run"
    arrive(attack(1))
    assert "Nothing was done: CONTAINMENT is dry-run" in decide(operator_client, "approve")
    assert Reaction.objects.latest("pk").state == "dry run"


def test_viewers_decide_nothing(viewer_client: Client, valid_license: License) -> None:
    arrive(attack(1))
    path = f"/actions/{Reaction.objects.get().pk}/decide"
    said = {"verdict": "approve", "reason": "x"}
    assert viewer_client.post(path, said).status_code == 403
    assert "Waiting for approval: 1" in page(viewer_client)


def test_asking_is_set_and_read_like_every_action(
    operator_client: Client, program: Callable[[str], Client], valid_license: License
) -> None:
    client = program("findings:read findings:write")

    def put(action: str, finding_type: str = STOLEN) -> Any:
        body = {"policies": [{"finding_type": finding_type, "action": action}]}
        return client.put("/findings", body, content_type="application/json")

    assert put("ASK_REVOKE").json()["changed"][0]["to"] == "ASK_REVOKE"
    refused = put("ASK_REVOKE", "Recon:EC2/PortProbeUnprotectedPort")
    assert refused.json()["errors"][0]["pointer"] == "/policies/0/action"
    listed = client.get("/findings?action=ASK_REVOKE").json()["policies"]
    assert [one["finding_type"] for one in listed] == [STOLEN]
    for path in ("/threats", "/changes"):
        assert "Ask to revoke" in page(operator_client, path)
    arrive(stolen("AKIAIOSFODNN7EXAMPLE"))
    preview = operator_client.post(
        "/threats/preview",
        {"policies": [{"finding_type": STOLEN, "action": "REPORT"}]},
        content_type="application/json",
    )
    assert "1 would no longer have had the action Ask to revoke" in preview.content.decode()


def test_a_program_approves_and_rejects(
    program: Callable[[str], Client], viewer_client: Client, valid_license: License
) -> None:
    client = program("findings:read actions:write")
    arrive(attack(1), attack(2))

    def answer(pk: int, body: dict[str, Any]) -> Any:
        return client.post(f"/actions/{pk}/approval", body, content_type="application/json")

    first, second = client.get("/actions?state=waiting").json()["actions"]
    assert first["due_at"] is not None
    added = answer(first["id"], {"approved": True, "reason": "Ticket 1"})
    assert added.status_code == 200
    assert (added.json()["state"], added.json()["target"]) == ("pending", first["target"])
    assert added.json()["id"] not in {first["id"], second["id"]}
    rejected = answer(second["id"], {"approved": False, "reason": "Our scanner"}).json()
    assert (rejected["id"], rejected["state"]) == (second["id"], "prevented")
    verdict = Reaction.objects.get(pk=second["id"]).verdict
    assert (verdict.by, verdict.by_name, bool(verdict.client_id)) == (None, "pipeline", True)
    assert "Rejected by pipeline: Our scanner." in page(viewer_client)
    again = answer(second["id"], {"approved": True, "reason": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "not_waiting")
    assert answer(10**20, {"approved": True, "reason": "x"}).json()["code"] == "not_found"
    for wrong in (
        {"approved": True},
        {"approved": "yes", "reason": "x"},
        {"approved": True, "reason": " "},
    ):
        assert answer(first["id"], wrong).status_code == 422


def test_only_callers_who_may_act_approve_by_api(
    program: Callable[[str], Client], viewer_client: Client, client: Client, valid_license: License
) -> None:
    arrive(attack(1))
    path = f"/actions/{Reaction.objects.get().pk}/approval"
    said = {"approved": True, "reason": "x"}
    for caller, status in ((program("findings:read"), 403), (viewer_client, 403), (client, 401)):
        assert caller.post(path, said, content_type="application/json").status_code == status
    assert Reaction.objects.get().state == "waiting"


def test_a_lapsed_license_stops_approvals_by_api(program: Callable[[str], Client]) -> None:
    arrive(attack(1))
    path = f"/actions/{Reaction.objects.get().pk}/approval"
    said = {"approved": True, "reason": "x"}
    refused = program("actions:write").post(path, said, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "license_missing")
