"""Users, roles and workloads in AWS whose credentials are revoked, and what becomes of them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import boto3
from django.contrib.auth.models import User

from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import undo
from tests.aws import Cloud

BY_HAND = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
)
KEY = "ASIAIOSFODNN7EXAMPLE"
RUNTIME = "CredentialAccess:Runtime/AnomalousBehavior.SuspiciousFileRead"


def outcomes() -> list[tuple[str, str]]:
    return list(Reaction.objects.order_by("pk").values_list("kind", "state"))


def restore(session: boto3.Session, by: User) -> Reaction:
    """Restores what is in force, by the newest containment."""
    asked = undo(Reaction.objects.in_force().latest("pk"), by)
    assert asked
    carry_out_due(session)
    asked.refresh_from_db()
    return asked


def iam_key(cloud: Cloud, user: str = "bob") -> str:
    iam = cloud.client("iam")
    iam.create_user(UserName=user)
    return str(iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"])


def keys(cloud: Cloud) -> dict[str, str]:
    listed = cloud.client("iam").list_access_keys(UserName="bob")["AccessKeyMetadata"]
    return {one["AccessKeyId"]: one["Status"] for one in listed}


def user_policies(cloud: Cloud) -> list[str]:
    return list(cloud.client("iam").list_user_policies(UserName="bob")["PolicyNames"])


def role(cloud: Cloud, name: str) -> None:
    cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")


def denied_before(cloud: Cloud, name: str, *, account_id: str = "123456789012") -> str:
    policy = cloud.role_policy(account_id, name)
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", ["*"])
    return str(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"])


def called_by(issuer: str) -> dict[str, Any]:
    """Returns `userIdentity` of CloudTrail for a session of a federated user."""
    return {"accessKeyId": KEY, "sessionContext": {"sessionIssuer": {"arn": issuer}}}


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


def a_cluster(cloud: Cloud) -> dict[str, Any]:
    """Creates a cluster whose pods have no role by EKS Pod Identity."""
    resource = a_pod(cloud)
    cloud.more.pod_roles.clear()
    cloud.client("eks").create_cluster(
        name="shop", roleArn="arn:aws:iam::123456789012:role/eks", resourcesVpcConfig={}
    )
    return resource


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
