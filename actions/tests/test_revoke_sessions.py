"""REVOKE of the sessions of roles and federated users, and RESTORE."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from django.contrib.auth.models import User
from django.utils import timezone

from actions import undo as undoing
from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import arrive, attack, later, set_action, stolen, undo
from actions.tests.credentials import (
    BY_HAND,
    KEY,
    called_by,
    denied_before,
    iam_key,
    keys,
    restore,
    role,
    user_policies,
)
from storage.instants import iso
from tests.aws import Cloud

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database,  # calls to AWS
    pytest.mark.usefixtures("revokes"),
]


def test_a_role_gets_back_the_policy_that_it_had(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    role(cloud, "deployer")
    iam = cloud.client("iam")
    which = {"RoleName": "deployer", "PolicyName": "AWSRevokeOlderSessions"}
    iam.put_role_policy(**which, PolicyDocument=BY_HAND)
    for number in (1, 2):  # the second replaces the portal's own policy
        arrive(stolen("", number=number, name="deployer", kind="AssumedRole"))
        carry_out_due(session)
    assert restore(session, operator).state == "done"
    assert iam.get_role_policy(**which)["PolicyDocument"] == json.loads(BY_HAND)
    iam.delete_role_policy(**which)
    arrive(stolen("", number=3, name="deployer", kind="AssumedRole"))
    carry_out_due(session)
    assert denied_before(cloud, "deployer")
    restore(session, operator)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_role_policy(**which)


def test_a_policy_that_somebody_changed_since_is_left(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    role(cloud, "deployer")
    arrive(stolen("", name="deployer", kind="AssumedRole"))
    carry_out_due(session)
    which = {"RoleName": "deployer", "PolicyName": "AWSRevokeOlderSessions"}
    cloud.client("iam").put_role_policy(**which, PolicyDocument=BY_HAND)
    asked = restore(session, operator)
    assert asked.state == "failed"
    assert "changed the policy AWSRevokeOlderSessions of the role deployer since" in asked.outcome
    assert '"Action": "s3:*"' in asked.outcome  # what it is now
    accepted = restore(session, operator)  # by a person, who has read that
    assert accepted.state == "done"
    assert "oscar accepted this" in accepted.outcome
    assert not Reaction.objects.in_force().exists()
    assert cloud.client("iam").get_role_policy(**which)["PolicyDocument"] == json.loads(BY_HAND)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("jane", "FederatedUser", "federated user, and the finding names no temporary key"),
        ("jane", "IdentityCenterUser", "user of IAM Identity Center"),
        ("AWSReservedSSO_Admin_1", "AssumedRole", "inline policy of the permission set"),
        ("", "Root", "root user"),
        ("AWSServiceRoleForSupport", "AssumedRole", "service-linked"),
    ],
)
def test_whose_sessions_cannot_be_revoked_is_told(name: str, kind: str, told: str) -> None:
    arrive(stolen("", name=name, kind=kind))
    reaction = Reaction.objects.get()
    assert (reaction.target, reaction.state) == (name or "Root", "prevented")
    assert told in reaction.outcome


def federated() -> Reaction:
    return Reaction.objects.filter(kind="REVOKE", target="jane").latest("pk")


@pytest.mark.parametrize("kind", ["user", "role"])
def test_the_session_of_a_federated_user_is_denied_by_its_issuer(
    cloud: Cloud, session: boto3.Session, operator: User, kind: str
) -> None:
    key, iam = iam_key(cloud), cloud.client("iam")
    role(cloud, "bob")
    cloud.more.calls = [{"accessKeyId": KEY}, called_by(f"arn:aws:iam::123456789012:{kind}/x/bob")]
    arrive(stolen(KEY, name="jane", kind="FederatedUser"))
    carry_out_due(session)
    assert federated().state == "done"
    get = getattr(iam, f"get_{kind}_policy")
    which = {f"{kind.capitalize()}Name": "bob", "PolicyName": "AWSRevokeOlderSessions"}
    (statement,) = get(**which)["PolicyDocument"]["Statement"]
    assert (
        "aws:TokenIssueTime" in statement["Condition"]["DateLessThan"]
    )  # long-term keys have none
    assert keys(cloud) == {key: "Active"}
    assert undo(federated(), operator)
    carry_out_due(session)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        get(**which)


SEQUENCE = "AttackSequence:IAM/CompromisedCredentials"


def sequence(*actors: tuple[str, str, str]) -> Any:
    """Returns a finding about several actors: the type, the name and the key of each."""
    users = [{"type": kind, "name": name, "credentialUid": key} for kind, name, key in actors]
    service = {"detection": {"sequence": {"actors": [{"user": user} for user in users]}}}
    return attack(1, type=SEQUENCE, service=service)


def test_a_session_with_the_name_of_an_iam_user_leaves_that_user_alone(
    cloud: Cloud, session: boto3.Session
) -> None:
    set_action("REVOKE", finding_type=SEQUENCE)
    key = iam_key(cloud)  # of bob
    role(cloud, "deployer")
    issuer = "arn:aws:iam::123456789012:user/mallory"
    cloud.client("iam").create_user(UserName="mallory")
    cloud.more.calls = [called_by(issuer)]
    others = ("AssumedRole", "deployer", "ASIAIOSFODNN7OTHERS1")
    arrive(
        sequence(others, ("IAMUser", "eve", "AKIAIOSFODNN7EXAMPLE"), ("FederatedUser", "bob", KEY))
    )
    carry_out_due(session)
    assert Reaction.objects.get(target="bob").state == "done"
    assert cloud.client("iam").list_user_policies(UserName="mallory")["PolicyNames"]
    assert (user_policies(cloud), keys(cloud)) == ([], {key: "Active"})


def test_an_iam_user_cannot_hide_behind_a_session_of_its_name(
    cloud: Cloud, session: boto3.Session
) -> None:
    set_action("REVOKE", finding_type=SEQUENCE)
    key = iam_key(cloud)
    arrive(sequence(("FederatedUser", "bob", KEY), ("IAMUser", "bob", "")))
    carry_out_due(session)
    assert keys(cloud) == {key: "Inactive"}


@pytest.mark.parametrize(("kind", "target"), [("user", "bob"), ("role", "deployer")])
def test_what_is_allowed_is_spared_also_if_only_aws_names_it(
    cloud: Cloud, session: boto3.Session, operator: User, kind: str, target: str
) -> None:
    undoing.allow(kind, target, "", reason="x", ends_at=None, by=operator, at=timezone.now())
    cloud.more.calls = [called_by(f"arn:aws:iam::123456789012:{kind}/{target}")]
    arrive(stolen(KEY, name="jane", kind="FederatedUser"))
    carry_out_due(session)
    assert federated().state == "prevented"
    assert f"{kind} {target} is on the allowlist for every finding type" in federated().outcome


def test_cloudtrail_can_be_late(cloud: Cloud, session: boto3.Session) -> None:
    cloud.client("iam").create_user(UserName="bob")
    arrive(stolen(KEY, name="jane", kind="FederatedUser"))
    carry_out_due(session)
    assert federated().state == "pending"
    cloud.more.calls = [called_by("arn:aws:iam::123456789012:user/bob")]
    Reaction.objects.all().postpone(timezone.now())
    carry_out_due(session)
    assert federated().state == "done"


@pytest.mark.parametrize("instant", ["3000", ["3000-01-01T00:00:00.000Z"]])
def test_a_policy_in_which_others_write_the_time_otherwise_is_replaced(
    cloud: Cloud, session: boto3.Session, instant: Any
) -> None:
    role(cloud, "deployer")
    condition = {"DateLessThan": {"aws:TokenIssueTime": instant}}
    statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    which = {"RoleName": "deployer", "PolicyName": "AWSRevokeOlderSessions"}
    cloud.client("iam").put_role_policy(**which, PolicyDocument=json.dumps(policy))
    arrive(stolen("", name="deployer", kind="AssumedRole"))
    carry_out_due(session)
    assert denied_before(cloud, "deployer") == iso(
        Reaction.objects.get(target="deployer").decided_at, timespec="milliseconds"
    )


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        ("", "CloudTrail shows no call with its key"),
        ("arn:aws:iam::123456789012:root", "Rotate its credentials"),
        ("arn:aws:iam::210987654321:user/bob", "another account"),
    ],
)
def test_a_federated_user_whose_issuer_is_out_of_reach_is_told(
    cloud: Cloud, session: boto3.Session, issuer: str, told: str
) -> None:
    cloud.more.calls = [called_by(issuer)] if issuer else []
    with later(minutes=-21):
        arrive(stolen(KEY, name="jane", kind="FederatedUser"))
    carry_out_due(session)
    assert federated().state == "prevented"
    assert told in federated().outcome


def test_the_account_from_which_a_stolen_credential_was_used_changes_nothing(
    cloud: Cloud, session: boto3.Session
) -> None:
    role(cloud, "deployer")
    found = stolen(KEY, name="deployer", kind="AssumedRole")
    remote = {"accountId": "210987654321", "affiliated": False}
    call = {"api": "ListBuckets", "remoteAccountDetails": remote}
    found["service"]["action"] = {"actionType": "AWS_API_CALL", "awsApiCallAction": call}
    arrive(found)
    carry_out_due(session)
    revoked = Reaction.objects.get(target="deployer")
    assert (revoked.state, revoked.account_id) == ("done", "123456789012")
    assert denied_before(cloud, "deployer")
    assert "AssumeRole" not in cloud.asked
