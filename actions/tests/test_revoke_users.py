"""REVOKE of IAM users and their keys, and RESTORE."""

from __future__ import annotations

import boto3
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from actions.execution import carry_out_due
from actions.models import Memory, Reaction
from actions.tests.attacks import arrive, stolen, undo
from actions.tests.credentials import BY_HAND, iam_key, keys, outcomes, restore, user_policies
from tests.aws import Cloud

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database,  # calls to AWS
    pytest.mark.usefixtures("revokes"),
]


def test_a_key_is_given_back(cloud: Cloud, session: boto3.Session, operator: User) -> None:
    key = iam_key(cloud)
    arrive(stolen(key), stolen(key, number=2))  # two findings about the same key
    carry_out_due(session)
    assert keys(cloud) == {key: "Inactive"}
    assert restore(session, operator).state == "done"
    assert keys(cloud) == {key: "Active"}
    assert not Reaction.objects.in_force().exists()


def test_a_user_named_without_a_key_loses_the_console_and_all_keys(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    first = iam_key(cloud)
    iam = cloud.client("iam")
    second = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName="bob", AccessKeyId=second, Status="Inactive")
    arrive(stolen(""))
    carry_out_due(session)
    assert keys(cloud) == {first: "Inactive", second: "Inactive"}
    policy = iam.get_user_policy(UserName="bob", PolicyName="ThreatReactionDenyAll")
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement == {"Effect": "Deny", "Action": ["*"], "Resource": ["*"]}
    told = restore(session, operator).outcome
    assert keys(cloud) == {first: "Active", second: "Inactive"}  # as it was
    assert user_policies(cloud) == []
    assert first in told
    assert second not in told


@pytest.mark.parametrize("operation", ["PutUserPolicy", "UpdateAccessKey"])
@pytest.mark.parametrize("code", ["Throttling", "AccessDenied"])
def test_what_was_done_before_an_error_is_given_back_too(
    cloud: Cloud, session: boto3.Session, operator: User, operation: str, code: str
) -> None:
    key = iam_key(cloud)
    cloud.fail(operation, code)
    arrive(stolen(""))
    carry_out_due(session)
    assert outcomes() == [("REVOKE", "pending")]
    cloud.mend()
    Reaction.objects.all().postpone(timezone.now())
    carry_out_due(session)
    assert keys(cloud) == {key: "Inactive"}
    assert Memory.objects.count() == 2
    restore(session, operator)
    assert keys(cloud) == {key: "Active"}
    assert user_policies(cloud) == []


def test_an_undo_waits_until_what_it_undoes_is_settled(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    key = iam_key(cloud)
    cloud.fail("UpdateAccessKey", "Throttling", times=3)  # one attempt
    arrive(stolen(key))
    assert undo(Reaction.objects.get(kind="REVOKE"), operator)
    carry_out_due(session)
    assert outcomes() == [("REVOKE", "pending"), ("RESTORE", "pending")]
    for _ in range(2):
        Reaction.objects.all().postpone(timezone.now())
        carry_out_due(session)
    assert outcomes() == [("REVOKE", "done"), ("RESTORE", "done")]
    assert keys(cloud) == {key: "Active"}


def test_the_part_that_was_done_before_a_failure_can_be_given_back(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    iam_key(cloud)
    cloud.fail("UpdateAccessKey", "UnmodifiableEntity")
    arrive(stolen(""))
    carry_out_due(session)
    assert outcomes() == [("REVOKE", "failed")]
    assert user_policies(cloud) == ["ThreatReactionDenyAll"]
    cloud.mend()
    assert restore(session, operator).state == "done"
    assert user_policies(cloud) == []
    assert not Reaction.objects.in_force().exists()


def test_a_key_that_was_deleted_since_does_not_keep_the_others_inactive(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    first = iam_key(cloud)
    iam = cloud.client("iam")
    second = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    arrive(stolen(""))
    carry_out_due(session)
    iam.delete_access_key(UserName="bob", AccessKeyId=first)
    restored = restore(session, operator)
    assert restored.state == "done"
    assert f"{first} of bob no longer exists" in restored.outcome
    assert keys(cloud) == {second: "Active"}


def test_the_key_with_which_the_portal_acts_is_spared(cloud: Cloud, session: boto3.Session) -> None:
    iam = cloud.client("iam")
    caller = cloud.client("sts").get_caller_identity()["Arn"].rpartition("/")[2]
    iam.create_user(UserName=caller)
    key = iam.create_access_key(UserName=caller)["AccessKey"]["AccessKeyId"]
    arrive(stolen(key))
    carry_out_due(session)
    assert "portal itself" in Reaction.objects.get(state="failed").outcome
    (listed,) = iam.list_access_keys(UserName=caller)["AccessKeyMetadata"]
    assert listed["Status"] == "Active"


def test_a_policy_that_somebody_changed_since_keeps_no_key_inactive(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    key = iam_key(cloud)
    arrive(stolen(""))
    carry_out_due(session)
    which = {"UserName": "bob", "PolicyName": "ThreatReactionDenyAll"}
    cloud.client("iam").put_user_policy(**which, PolicyDocument=BY_HAND)
    assert restore(session, operator).state == "failed"
    assert keys(cloud) == {key: "Active"}
