"""The IAM role behind a target: that of a Lambda function, of an ECS task, or of an EKS pod."""

from __future__ import annotations

import json

from actions.aws.accounts import Access
from actions.aws.outcome import ContainmentError
from actions.models import Reaction
from findings.guardduty.lenient_json import field, text_in
from findings.guardduty.parser import Kind

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
        raise ContainmentError(
            f"No role is associated with the service account {namespace}/{account} by EKS Pod"
            " Identity. If its annotation names a role, revoke that role.",
            permanent=True,
        )
    found = eks.describe_pod_identity_association(
        clusterName=reaction.target, associationId=listed[0]["associationId"]
    )
    return str(found["association"]["roleArn"])
