"""REVOKE of users and of the roles behind workloads, and RESTORE of each."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from django.contrib.auth.models import User
from django.utils import timezone

from actions import undo as undoing
from actions.execution import carry_out_due
from actions.models import Memory, Reaction
from actions.tests.attacks import STOLEN, arrive, attack, set_action, stolen, undo
from actions.tests.test_execution import denied_before, iam_key, later, role
from storage.instants import iso
from tests.aws import REGION, Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS

BY_HAND = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
)
RUNTIME = "CredentialAccess:Runtime/AnomalousBehavior.SuspiciousFileRead"


@pytest.fixture(autouse=True)
def _revokes(ip_set: str) -> None:
    set_action("REVOKE", finding_type=STOLEN)
    set_action("REVOKE", finding_type=RUNTIME)


def outcomes() -> list[tuple[str, str]]:
    return list(Reaction.objects.order_by("pk").values_list("kind", "state"))


def restore(session: boto3.Session, by: User) -> Reaction:
    """Restores what is in force, by the newest containment."""
    asked = undo(Reaction.objects.in_force().latest("pk"), by)
    assert asked
    carry_out_due(session)
    asked.refresh_from_db()
    return asked


def keys(cloud: Cloud) -> dict[str, str]:
    listed = cloud.client("iam").list_access_keys(UserName="bob")["AccessKeyMetadata"]
    return {one["AccessKeyId"]: one["Status"] for one in listed}


def user_policies(cloud: Cloud) -> list[str]:
    return list(cloud.client("iam").list_user_policies(UserName="bob")["PolicyNames"])


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


KEY = "ASIAIOSFODNN7EXAMPLE"


def called_by(issuer: str) -> dict[str, Any]:
    """Returns `userIdentity` of CloudTrail for a session of a federated user."""
    return {"accessKeyId": KEY, "sessionContext": {"sessionIssuer": {"arn": issuer}}}


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


def a_function(cloud: Cloud) -> dict[str, Any]:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("lambda_function.py", "")
    cloud.client("lambda").create_function(
        FunctionName="resize", Runtime="python3.13", Handler="lambda_function.handler",
        Role="arn:aws:iam::123456789012:role/worker", Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    return {"lambdaDetails": {"functionName": "resize"}}


def a_task(cloud: Cloud) -> dict[str, Any]:
    ecs, ec2 = cloud.client("ecs"), cloud.client("ec2")
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(
        family="worker", taskRoleArn="arn:aws:iam::123456789012:role/worker",
        containerDefinitions=[{"name": "worker", "image": "worker", "memory": 64}],
        requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512",
    )  # fmt: skip
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    task = ecs.run_task(
        cluster="shop", taskDefinition="worker", launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": []}},
    )["tasks"][0]["taskArn"]  # fmt: skip
    return {"ecsClusterDetails": {"name": "shop", "taskDetails": {"arn": task}}}


def a_pod(cloud: Cloud) -> dict[str, Any]:
    cloud.more.pod_roles["shop", "web", "front"] = "arn:aws:iam::123456789012:role/worker"
    pod = {"namespace": "web", "serviceAccountName": "front"}
    return {
        "eksClusterDetails": {"name": "shop"},
        "kubernetesDetails": {"kubernetesWorkloadDetails": pod},
    }


def trusted(cloud: Cloud, name: str, subject: str, *, by: str = "StringEquals") -> None:
    """Creates a role that a service account of the cluster "shop" can assume."""
    eks = cloud.client("eks")
    issuer = eks.describe_cluster(name="shop")["cluster"]["identity"]["oidc"]["issuer"]
    issuer = issuer.removeprefix("https://")
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"},
        "Condition": {by: {f"{issuer}:sub": f"system:serviceaccount:{subject}"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)


def a_cluster(cloud: Cloud) -> dict[str, Any]:
    """Creates a cluster whose pods have no role by EKS Pod Identity."""
    resource = a_pod(cloud)
    cloud.more.pod_roles.clear()
    cloud.client("eks").create_cluster(
        name="shop", roleArn="arn:aws:iam::123456789012:role/eks", resourcesVpcConfig={}
    )
    return resource


@pytest.mark.parametrize(
    ("subject", "by"), [("web:front", "StringEquals"), ("web:*", "StringLike")]
)
def test_the_role_that_an_annotation_names_is_found_by_its_trust_policy(
    cloud: Cloud, session: boto3.Session, subject: str, by: str
) -> None:
    resource = a_cluster(cloud)
    trusted(cloud, "worker", subject, by=by)
    trusted(cloud, "other", "web:backend")
    trusted(cloud, "literal", "web:*")  # StringEquals: no pattern
    arrive(attack(1, type=RUNTIME, resource=resource, region=REGION))
    carry_out_due(session)
    assert denied_before(cloud, "worker")
    trusted(cloud, "second", "web:front")
    arrive(attack(2, type=RUNTIME, resource=resource, region=REGION))
    carry_out_due(session)
    told = Reaction.objects.get(state="prevented").outcome
    assert "role/second" in told
    assert "role/worker" in told


@pytest.mark.parametrize("behind", [a_function, a_task, a_pod])
def test_the_role_behind_a_workload_is_revoked_and_given_back(
    cloud: Cloud, session: boto3.Session, operator: User, behind: Any
) -> None:
    role(cloud, "worker")
    arrive(attack(1, type=RUNTIME, resource=behind(cloud), region=REGION))
    carry_out_due(session)
    assert denied_before(cloud, "worker")
    restore(session, operator)
    assert cloud.role_policy("123456789012", "worker") is None


def test_a_pattern_of_an_attacker_does_not_hold_up_the_worker(
    cloud: Cloud, session: boto3.Session
) -> None:
    resource = a_cluster(cloud)
    pod = resource["kubernetesDetails"]["kubernetesWorkloadDetails"]
    pod["serviceAccountName"] = "a" * 60
    trusted(cloud, "slow", f"web:{'*a' * 30}*b", by="StringLike")
    arrive(attack(1, type=RUNTIME, resource=resource, region=REGION))
    carry_out_due(session)
    assert Reaction.objects.get().state == "prevented"


def test_a_pod_without_a_role_says_so(cloud: Cloud, session: boto3.Session) -> None:
    arrive(attack(1, type=RUNTIME, resource=a_cluster(cloud), region=REGION))
    carry_out_due(session)
    assert "web/front has no role" in Reaction.objects.get(state="prevented").outcome


def test_a_role_of_another_account_is_left_alone(cloud: Cloud, session: boto3.Session) -> None:
    role(cloud, "worker")  # of the same name
    resource = a_pod(cloud)
    cloud.more.pod_roles["shop", "web", "front"] = "arn:aws:iam::210987654321:role/worker"
    arrive(attack(1, type=RUNTIME, resource=resource))
    carry_out_due(session)
    assert "another account" in Reaction.objects.get(state="failed").outcome
    assert cloud.role_policy("123456789012", "worker") is None


def test_a_workload_without_a_region_is_not_looked_for_elsewhere(
    cloud: Cloud, session: boto3.Session
) -> None:
    role(cloud, "worker")
    arrive(attack(1, type=RUNTIME, resource=a_function(cloud), region=""))
    carry_out_due(session)
    assert "no region" in Reaction.objects.get(state="failed").outcome
    assert cloud.role_policy("123456789012", "worker") is None
