"""A principal is denied on a bucket, in a policy that others write too."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api_auth import Caller
from actions import by_hand, limits, safeguards
from actions.aws import bucket_policy
from actions.execution import carry_out_due
from actions.models import BUCKET_USE, Allowance, Reaction
from actions.tests.attacks import BOB, EMPTIED, NOW, arrive, emptied, set_action, undo
from findings.guardduty.parser import BucketUse
from findings.models import Finding
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS

THEIRS = {
    "Sid": "TlsOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "arn:aws:s3:::invoices/*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.fixture(autouse=True)
def _on(settings: Settings) -> None:
    settings.CONTAINMENT = settings.BUCKET_POLICIES = "on"
    set_action("BLOCK", finding_type=EMPTIED)


def work(session: boto3.Session) -> None:
    while carry_out_due(session):
        pass


def denial() -> Reaction:
    return Reaction.objects.filter(kind="DENY").latest("pk")


def policy(cloud: Cloud) -> Any:
    try:
        return json.loads(cloud.client("s3").get_bucket_policy(Bucket="invoices")["Policy"])
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchBucketPolicy"  # noqa: PT017
        return None


def put(cloud: Cloud, *statements: Any) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    cloud.client("s3").put_bucket_policy(Bucket="invoices", Policy=document)


def test_a_block_denies_the_principal_beside_what_others_wrote_until_it_is_restored(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    finding = emptied(cloud)
    put(cloud, THEIRS)
    arrive(finding)
    work(session)
    first, ours = policy(cloud)["Statement"]
    assert first == THEIRS
    assert (ours["Effect"], ours["Action"], ours["Condition"]) == (
        "Deny",
        "s3:*",
        {"StringEquals": {"aws:PrincipalArn": BOB}},
    )
    assert ours["Resource"] == ["arn:aws:s3:::invoices", "arn:aws:s3:::invoices/*"]
    assert (denial().state, denial().account_id) == ("done", "123456789012")
    later = THEIRS | {"Sid": "Later"}
    put(cloud, THEIRS, ours, later)
    undo(denial(), operator)
    work(session)
    assert policy(cloud)["Statement"] == [THEIRS, later]


def test_the_end_of_the_block_restores_it_again_and_again(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_FOR = "1h"
    for number in (1, 2):
        arrive(emptied(cloud, number))
        work(session)
        assert len(policy(cloud)["Statement"]) == 1
        ends_at = denial().ends_at
        assert ends_at
        # The second one lasts twice as long.
        lasts = (ends_at - denial().decided_at).total_seconds()
        assert round(lasts / 3600) == number
        assert limits.lift(ends_at + timedelta(seconds=1)) == 1
        Reaction.objects.all().postpone(timezone.now())
        work(session)
        assert policy(cloud) is None
        assert limits.lift(ends_at + limits.LOOK_AGAIN + timedelta(hours=1)) == 0


@pytest.mark.every_database  # PostgreSQL alone locks the policy of a bucket
def test_two_principals_are_denied_and_restored_each_for_itself(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    stranger = "account 210987654321 AROAEXAMPLE"
    arrive(emptied(cloud, 1), emptied(cloud, 2, principal=stranger))
    work(session)
    conditions = [one["Condition"] for one in policy(cloud)["Statement"]]
    assert {"StringLike": {"aws:userid": ["AROAEXAMPLE", "AROAEXAMPLE:*"]}} in conditions
    undo(Reaction.objects.get(kind="DENY", target=f"invoices {stranger}"), operator)
    work(session)
    [left] = policy(cloud)["Statement"]
    assert left["Condition"] == {"StringEquals": {"aws:PrincipalArn": BOB}}


def test_a_statement_that_somebody_changed_is_left_and_told(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    arrive(emptied(cloud))
    work(session)
    [ours] = policy(cloud)["Statement"]
    changed = ours | {"Action": "s3:DeleteObject"}
    put(cloud, changed)
    undo(denial(), operator)
    work(session)
    restore = Reaction.objects.latest("pk")
    assert restore.state == "failed"
    assert "Somebody has changed the statement" in restore.outcome
    assert policy(cloud)["Statement"] == [changed]


def test_what_was_not_restored_at_the_end_is_tried_again(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_FOR = "1h"
    arrive(emptied(cloud))
    work(session)
    [ours] = policy(cloud)["Statement"]
    put(cloud, ours | {"Action": "s3:DeleteObject"})
    at = denial().ends_at
    assert at
    for restored in (False, True):
        assert limits.lift(at) == 1
        Reaction.objects.all().postpone(timezone.now())
        work(session)
        assert (policy(cloud) is None) is restored
        put(cloud, ours)
        at += limits.LOOK_AGAIN


def test_another_spelling_of_the_statement_is_restored(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    arrive(emptied(cloud))
    work(session)
    [ours] = policy(cloud)["Statement"]
    put(cloud, ours | {"Action": ["s3:*"], "Resource": ours["Resource"][::-1]}, THEIRS)
    undo(denial(), operator)
    work(session)
    assert policy(cloud)["Statement"] == [THEIRS]


def test_who_puts_the_statement_back_during_a_restore_is_noticed(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    arrive(emptied(cloud))
    put(cloud, THEIRS)
    work(session)
    both = policy(cloud)["Statement"]
    undo(denial(), operator)
    writes = iter(range(9))

    def intrude(**about: Any) -> None:
        if next(writes) == 0:
            put(cloud, *both)

    session.events.register("after-call.s3.PutBucketPolicy", intrude)
    carry_out_due(session)
    restore = Reaction.objects.latest("pk")
    assert (restore.state, len(policy(cloud)["Statement"])) == ("pending", 2)
    Reaction.objects.all().postpone(timezone.now())
    work(session)
    assert policy(cloud)["Statement"] == [THEIRS]


def test_one_statement_without_a_list_and_other_letters_are_kept(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    finding = emptied(cloud)
    theirs = {**THEIRS, "Resource": ["arn:aws:s3:::invoices/" + "請" * 5000]}  # 15 KB
    alone = json.dumps({"Version": "2008-10-17", "Statement": theirs}, ensure_ascii=False)
    cloud.client("s3").put_bucket_policy(Bucket="invoices", Policy=alone)
    arrive(finding)
    work(session)
    assert denial().state == "done"
    assert policy(cloud)["Statement"][0] == theirs
    undo(denial(), operator)
    work(session)
    assert policy(cloud) == {"Version": "2008-10-17", "Statement": [theirs]}


def test_a_path_like_a_variable_of_policies_is_matched_as_it_is() -> None:
    principal = "arn:aws:iam::123456789012:user/${aws:username}/bob"
    condition = bucket_policy.statement(BucketUse("invoices", principal), "aws")["Condition"]
    pattern = "arn:aws:iam::123456789012:user/?{aws:username}/bob"
    assert condition == {"StringLike": {"aws:PrincipalArn": [pattern]}}


def test_the_user_who_issued_a_federated_session_is_not_denied(cloud: Cloud) -> None:
    finding = emptied(cloud)
    finding["resource"]["accessKeyDetails"]["userType"] = "FederatedUser"
    arrive(finding)
    assert denial().state == "prevented"
    assert "would not stop the session" in denial().outcome


def test_a_policy_without_room_is_not_changed(cloud: Cloud, session: boto3.Session) -> None:
    finding = emptied(cloud)
    put(cloud, THEIRS | {"Sid": "x" * (bucket_policy.SIZE_MAX - 400)})
    before = policy(cloud)
    arrive(finding)
    work(session)
    assert denial().state == "failed"
    assert "has no room" in denial().outcome
    assert policy(cloud) == before
    assert not Reaction.objects.in_force().exists()


def test_what_others_write_between_is_kept(cloud: Cloud, session: boto3.Session) -> None:
    """Somebody replaces the policy after the first read."""
    arrive(emptied(cloud))
    reads = iter(range(9))

    def intrude(**about: Any) -> None:
        if next(reads) == 0:
            put(cloud, THEIRS)

    session.events.register("after-call.s3.GetBucketPolicy", intrude)
    work(session)
    first, _ = policy(cloud)["Statement"]
    assert first == THEIRS


def test_who_replaces_the_policy_at_the_same_time_is_noticed(
    cloud: Cloud, session: boto3.Session
) -> None:
    finding = emptied(cloud)
    put(cloud, THEIRS)
    arrive(finding)
    writes = iter(range(9))

    def intrude(**about: Any) -> None:
        if next(writes) == 0:
            put(cloud, THEIRS)

    session.events.register("after-call.s3.PutBucketPolicy", intrude)
    carry_out_due(session)
    assert denial().state == "pending"
    assert "at the same time" in denial().attempts.get().answer
    Reaction.objects.all().postpone(timezone.now())
    work(session)
    assert (denial().state, len(policy(cloud)["Statement"])) == ("done", 2)


@pytest.mark.parametrize(
    ("principal", "told"),
    [
        ("arn:aws:iam::123456789012:root", "root user"),
        ("anonymous 81.2.69.142", "cannot name this actor"),
        ("service logging.s3.amazonaws.com", "cannot name this actor"),
        ("(others)", "cannot name this actor"),
        ("arn:aws:iam::210987654321:role/ThreatReactionContainment", "contains findings"),
        ("arn:aws:iam::123456789012:user/" + "x" * 300, "was cut"),
        (
            "arn:aws:iam::123456789012:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
            "service-linked",
        ),
    ],
)
def test_who_is_never_denied(cloud: Cloud, principal: str, told: str) -> None:
    arrive(emptied(cloud, principal=principal))
    assert denial().state == "prevented"
    assert told in denial().outcome


@pytest.mark.parametrize(
    ("role", "is_ours"),
    [
        ("threatreaction-WorkerRole-1", True),
        ("threatreaction/threatreaction-WebRole-2", True),
        ("app/threatreaction-WebRole-2", False),
        ("app", False),
    ],
)
def test_the_portals_own_roles_are_never_denied(role: str, is_ours: bool) -> None:
    caller = "arn:aws:sts::123456789012:assumed-role/threatreaction-WorkerRole-1/x"
    use = BucketUse("invoices", f"arn:aws:iam::123456789012:role/{role}")
    assert bool(safeguards.against_denying(use, caller=caller)) is is_ours


def test_the_portals_own_user_is_never_denied() -> None:
    use = BucketUse("invoices", "arn:aws:iam::123456789012:user/ops/portal")
    assert safeguards.against_denying(use, caller=use.principal)


def test_an_actor_on_the_allowlist_is_not_denied(cloud: Cloud, operator: User) -> None:
    Allowance.objects.create(
        kind="user", name="bob", finding_type="", reason="ours", added_at=NOW, added_by=operator
    )
    arrive(emptied(cloud))
    assert denial().state == "prevented"


def test_without_the_setting_and_in_a_dry_run_nothing_is_done(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.CONTAINMENT = "dry-run"
    arrive(emptied(cloud, 1))
    assert denial().state == "dry run"
    settings.CONTAINMENT, settings.BUCKET_POLICIES = "on", "off"
    arrive(emptied(cloud, 2))
    assert denial().state == "prevented"
    assert "set BUCKET_POLICIES to on" in denial().outcome
    assert policy(cloud) is None


def test_a_bucket_that_is_gone_fails_and_one_out_of_reach_is_tried_again(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    arrive(emptied(cloud, 1))
    work(session)
    s3 = cloud.client("s3")
    s3.delete_bucket(Bucket="invoices")
    undo(denial(), operator)
    work(session)
    assert Reaction.objects.latest("pk").outcome == "The bucket invoices no longer exists."
    finding = emptied(cloud, 2)
    s3.delete_bucket(Bucket="invoices")
    arrive(finding)
    work(session)
    assert denial().state == "failed"
    assert "NoSuchBucket" in denial().outcome
    other = emptied(cloud, 3)
    other["resource"]["s3BucketDetails"][0]["name"] = "not-in-the-template"
    arrive(other)
    carry_out_due(session)
    assert denial().state == "pending"
    assert "AccessDenied" in denial().attempts.get().answer
    assert not denial().memories.exists()


def test_a_program_can_ask_for_it_by_the_finding(cloud: Cloud, session: boto3.Session) -> None:
    set_action("REPORT", finding_type=EMPTIED)
    arrive(emptied(cloud))
    wanted = by_hand.Request("DENY", BUCKET_USE, f"invoices {BOB}", "x", Finding.objects.get())
    soar = Caller(name="soar", client_id="c1")
    with pytest.raises(by_hand.NotPossible, match="State the finding"):
        by_hand.act(replace(wanted, finding=None), by=soar, at=timezone.now())
    by_hand.act(wanted, by=soar, at=timezone.now())
    work(session)
    assert len(policy(cloud)["Statement"]) == 1
