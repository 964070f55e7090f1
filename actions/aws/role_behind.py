"""The IAM role behind a target: that of a Lambda function, of an ECS task, or of an EKS pod.

A pod has the role that EKS Pod Identity associates with its service account, or the role that the
service account names in an annotation (IRSA). The annotation is in Kubernetes, which the portal
cannot read, but the trust policy of that role names the service account.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from actions.aws.accounts import Access
from actions.aws.outcome import ContainmentError
from actions.models import Reaction
from findings.guardduty.lenient_json import field, text_in
from findings.guardduty.parser import Kind

_SHOWN = 5  # roles in an outcome; others can create hundreds
_POD = ("resource", "kubernetesDetails", "kubernetesWorkloadDetails")


def find(access: Access, reaction: Reaction) -> str:
    """Returns the name of the role: the target itself, or the role with which it calls AWS.

    Raises ContainmentError if it has none, BotoCoreError and ClientError.
    """
    region = reaction.its_finding.region
    match reaction.target_kind:
        case Kind.FUNCTION:
            arn = _of_function(access, region, reaction.target)
        case Kind.TASK:
            arn = _of_task(access, region, reaction.target)
        case Kind.CLUSTER:
            arn = _of_pod(access, region, reaction)
        case _:
            return reaction.target
    if arn.split(":")[4:5] != [access.account_id]:
        raise ContainmentError(f"The role is of another account: {arn}.", permanent=True)
    return arn.rpartition("/")[2]


def _of_function(access: Access, region: str, name: str) -> str:
    answer = access.client("lambda", region=region).get_function_configuration(FunctionName=name)
    return str(answer["Role"])


def _of_task(access: Access, region: str, arn: str) -> str:
    ecs = access.client("ecs", region=region)
    path = arn.rpartition(":")[2].split("/")
    cluster = {"cluster": path[1]} if len(path) == 3 else {}  # else the default cluster
    tasks = ecs.describe_tasks(tasks=[arn], **cluster)["tasks"]
    if not tasks:
        raise ContainmentError(
            "The task no longer exists, so its role is unknown. Revoke the role.", permanent=True
        )
    role = tasks[0].get("overrides", {}).get("taskRoleArn")
    if not role:
        definition = ecs.describe_task_definition(taskDefinition=tasks[0]["taskDefinitionArn"])
        role = definition["taskDefinition"].get("taskRoleArn")
    if not role:
        raise ContainmentError("The task has no role, so it has no credentials.", permanent=True)
    return str(role)


def _of_pod(access: Access, region: str, reaction: Reaction) -> str:
    pod = field(json.loads(reaction.its_finding.raw), *_POD)
    namespace = text_in(field(pod, "namespace"), 253)
    account = text_in(field(pod, "serviceAccountName"), 253)
    if not namespace or not account:
        raise ContainmentError(
            "The finding names no service account of Kubernetes, so the role is unknown.",
            permanent=True,
        )
    eks = access.client("eks", region=region)
    listed = eks.list_pod_identity_associations(
        clusterName=reaction.target, namespace=namespace, serviceAccount=account
    )["associations"]
    if not listed:
        return _of_annotation(access, eks, reaction.target, namespace, account)
    found = eks.describe_pod_identity_association(
        clusterName=reaction.target, associationId=listed[0]["associationId"]
    )
    return str(found["association"]["roleArn"])


def _of_annotation(access: Access, eks: Any, cluster: str, namespace: str, account: str) -> str:
    """Returns the only role that trusts the service account by the OIDC provider of the cluster."""
    about = eks.describe_cluster(name=cluster)["cluster"]
    issuer = about.get("identity", {}).get("oidc", {}).get("issuer", "").removeprefix("https://")
    subject = f"system:serviceaccount:{namespace}:{account}"
    pages = access.client("iam").get_paginator("list_roles").paginate()
    found = [
        str(role["Arn"])
        for page in pages
        for role in page["Roles"]
        if issuer and _trusts(role["AssumeRolePolicyDocument"], issuer, subject)
    ]
    if not found:
        raise ContainmentError(
            f"The service account {namespace}/{account} has no role: EKS Pod Identity associates"
            f" none, and no role of the account trusts it by the OIDC provider of {cluster}. Its"
            " pods can have the role of their node: revoke that one.",
            prevented=True,
        )
    if len(found) > 1:
        raise ContainmentError(
            f"{len(found)} roles trust the service account {namespace}/{account}, among them"
            f" {', '.join(sorted(found)[:_SHOWN])}. Revoke the one that its annotation"
            " eks.amazonaws.com/role-arn names.",
            prevented=True,
        )
    return found[0]


def _trusts(policy: Any, issuer: str, subject: str) -> bool:
    """Returns whether a trust policy names this subject of an OIDC provider."""
    for statement in _each(field(policy, "Statement")):
        federated = _each(field(statement, "Principal", "Federated"))
        if field(statement, "Effect") != "Allow" or not any(
            str(one).endswith(f":oidc-provider/{issuer}") for one in federated
        ):
            continue
        conditions = field(statement, "Condition")
        for operator in ("StringEquals", "StringLike"):
            for said in map(str, _each(field(conditions, operator, f"{issuer}:sub"))):
                # Not a regular expression of our own: an attacker who creates a role could choose
                # one that takes forever.
                if said == subject or (
                    operator == "StringLike" and fnmatchcase(subject, said.replace("[", "[[]"))
                ):
                    return True
    return False


def _each(value: Any) -> list[Any]:
    """Returns the items of what a policy gives as one or as a list of them."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
