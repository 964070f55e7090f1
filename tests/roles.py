"""Refuses an AWS call that deploy/threatreaction.yaml does not allow to the process that makes it.

The servers and commands that tests start, and the fixture `session` of the worker's tests, are held
to the role of their task. A refused call fails as on AWS, so the test that makes it fails.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from botocore import handlers
from botocore.exceptions import ClientError
from django.conf import settings

WEB, WORKER, EVENTS, MAINTENANCE = "WebRole", "WorkerRole", "EventsRole", "MaintenanceRole"
STACK = "threatreaction"
TRAIL_BUCKET = "trail"  # no setting names it
WATCHED_BUCKET = "invoices"  # nor this one
TEMPLATE = Path(__file__).resolve().parent.parent / "deploy/threatreaction.yaml"

# The operations of an API whose permission has another name, or needs none.
PERMISSIONS = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sts:GetCallerIdentity": None,
}

Tell = Callable[[str, str], object]  # a role and a permission


def of_this_process() -> str:
    """Return the role of the task that runs this process. `migrate` runs in the task of web."""
    if Path(sys.argv[0]).name != "manage.py":
        return WEB
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    tasks = {"processfindings": WORKER, "processevents": EVENTS, "migrate": WEB, "release": WEB}
    return tasks.get(command, MAINTENANCE)


def hold_this_process() -> None:
    """Hold all boto3 sessions of this process. Append its calls to the file TEST_AWS_CALLS."""

    def tell(role: str, permission: str) -> None:
        if path := os.environ.get("TEST_AWS_CALLS"):
            with Path(path).open("a") as file:
                file.write(f"{role} {permission}\n")

    handlers.BUILTIN_HANDLERS.extend(_handlers(of_this_process, tell))


def hold(session: Any, role: str, tell: Tell = lambda role, permission: None) -> None:
    """Hold a boto3 session to a role. `tell` is called for each allowed call."""
    for event, handler in _handlers(lambda: role, tell):
        session.events.register(event, handler)


def _handlers(role: Callable[[], str], tell: Tell) -> list[tuple[str, Callable[..., None]]]:
    def note(params: Any, model: Any, context: Any, **rest: Any) -> None:
        context["noted"] = (f"{model.service_model.service_name}:{model.name}", dict(params))

    def check(request: Any, request_signer: Any, region_name: str, **rest: Any) -> None:
        if request_signer._credentials.access_key != os.environ.get("AWS_ACCESS_KEY_ID"):
            return  # of another role, which the process has assumed
        operation, params = request.context["noted"]
        permission = PERMISSIONS.get(operation, operation)
        if permission is None:
            return
        resource = _resource(operation, params, region_name)
        if not is_allowed(role(), permission, resource):
            told = f"{role()} of {TEMPLATE.name} does not allow {permission} on {resource}."
            error = {"Error": {"Code": "AccessDenied", "Message": told}}
            raise ClientError(error, operation.partition(":")[2])
        tell(role(), permission)

    return [("before-parameter-build.*.*", note), ("before-sign.*.*", check)]


def _resource(operation: str, params: Mapping[str, Any], region: str) -> str:
    """Return the ARN of what a call is about."""
    account = settings.AWS_ACCOUNT_ID
    match operation.partition(":")[0], params:
        case "sqs", {"QueueUrl": url}:
            return _queue(url, region)
        case "wafv2", {"Name": name, "Scope": scope, "Id": set_id}:
            place = "global" if scope == "CLOUDFRONT" else "regional"
            return f"arn:aws:wafv2:{region}:{account}:{place}/ipset/{name}/{set_id}"
        case "s3", {"Bucket": bucket, "Key": key}:
            return f"arn:aws:s3:::{bucket}/{key}"
        case "s3", {"Bucket": bucket}:
            return f"arn:aws:s3:::{bucket}"
        case "sns", {"TopicArn": arn}:
            return str(arn)
        case "secretsmanager", {"SecretId": arn}:
            return str(arn)
        case "iam", {"RoleName": name}:
            path = f"{STACK}/" if name.startswith(f"{STACK}-") else ""  # a role of the template
            return f"arn:aws:iam::{account}:role/{path}{name}"
        case "iam", {"UserName": name}:
            return f"arn:aws:iam::{account}:user/{name}"
        case "iam", {"AccessKeyId": _}:
            return f"arn:aws:iam::{account}:user/owner-of-the-key"
        case "ec2", {"NetworkInterfaceId": interface}:
            return f"arn:aws:ec2:{region}:{account}:network-interface/{interface}"
        case "guardduty", {"DetectorId": detector}:
            return f"arn:aws:guardduty:{region}:{account}:detector/{detector}"
        case "sts", {"RoleArn": arn}:
            return str(arn)
        case "ec2", {"PrefixListId": list_id}:
            return f"arn:aws:ec2:{region}:{account}:prefix-list/{list_id}"
        case "route53resolver", {"FirewallDomainListId": list_id}:
            return f"arn:aws:route53resolver:{region}:{account}:firewall-domain-list/{list_id}"
        case "lambda", {"FunctionName": name}:
            return f"arn:aws:lambda:{region}:{account}:function:{name.rpartition(':')[2]}"
        case "ecs", {"tasks": [arn, *_]}:
            return str(arn)
        case "eks", {"clusterName": name, "associationId": its_id}:
            return f"arn:aws:eks:{region}:{account}:podidentityassociation/{name}/{its_id}"
        case "eks", {"clusterName": name} | {"name": name}:
            return f"arn:aws:eks:{region}:{account}:cluster/{name}"
    return "*"  # an API without resources, or one to add here


def _queue(url: str, region: str) -> str:
    return f"arn:aws:sqs:{region}:{settings.AWS_ACCOUNT_ID}:{url.rpartition('/')[2]}"


# --- The template ---------------------------------------------------------------------------------


def permissions(role: str) -> set[str]:
    """Return the permissions that the role grants, with every parameter of the template set."""
    granted = [one for one in _statements(role) if one["Effect"] == "Allow"]
    return {permission for one in granted for permission in one["Action"]}


def is_allowed(role: str, permission: str, resource: str) -> bool:
    """Whether the role grants it on the resource. Conditions, such as the account, are not tested.

    The resources of the stack are those that the settings of this process name, as its task does.
    """
    effects = {
        one["Effect"]
        for one in _statements(role)
        if permission in one["Action"]
        and any(re.fullmatch(pattern, resource) for pattern in _patterns(one["Resource"]))
    }
    return effects == {"Allow"}


def _named(logical: str) -> list[str]:
    """Return what a reference in the template stands for. Empty if the settings do not name it."""
    region = os.environ["AWS_DEFAULT_REGION"]
    queue = settings.FINDINGS_QUEUE_URL
    events = settings.EVENTS_QUEUE_URL
    bucket = settings.SAVE_BUCKET
    archive = settings.ARCHIVE_BUCKET.partition("/")[0]
    named = {
        "ArchiveBucket.Arn": archive and f"arn:aws:s3:::{archive}",
        "AWS::AccountId": settings.AWS_ACCOUNT_ID,
        "AWS::Partition": "aws",
        "AWS::Region": region,
        "AWS::StackName": STACK,
        "Database.MasterUserSecret.SecretArn": settings.DATABASES["default"].get("SECRET_ARN"),
        "EventBuckets": f"arn:aws:s3:::{WATCHED_BUCKET}",
        "EventLogs.Arn": f"arn:aws:s3:::{TRAIL_BUCKET}",
        "EventsQueue.Arn": events and _queue(events, region),
        "Notifications": settings.NOTIFY_TOPIC_ARN,
        "NotificationTopics": "",  # destinations name them, not settings
        "Queue.Arn": queue and _queue(queue, region),
        "SaveBucket.Arn": bucket and f"arn:aws:s3:::{bucket}",
    }
    if logical in {"BlockedIPv4.Arn", "BlockedIPv6.Arn"}:
        return list(settings.BLOCK_IP_SETS)
    lists = {
        "BlockIpSets": "BLOCK_IP_SETS",
        "BlockPrefixLists": "BLOCK_PREFIX_LISTS",
        "BlockDomainLists": "BLOCK_DOMAIN_LISTS",
    }
    if logical in lists:
        return list(getattr(settings, lists[logical]))
    return [named[logical]] if named[logical] else []


def _patterns(value: Any) -> list[str]:
    """Return the regular expressions of a Resource in a policy."""
    if isinstance(value, list):
        return [pattern for one in value for pattern in _patterns(one)]
    if isinstance(value, str):
        return [re.escape(value).replace(r"\*", ".*")]
    ((function, argument),) = value.items()
    if function in {"!Ref", "!GetAtt"}:
        return [re.escape(one) for one in _named(argument)]
    if function == "!Split":
        return _patterns(argument[1])  # the settings have split the parameter already
    if function == "!Sub":
        parts = re.split(r"\$\{(.+?)\}", argument)  # every second one is a reference
        values = [_named(part) if odd % 2 else [part] for odd, part in enumerate(parts)]
        return _patterns(["".join(one) for one in itertools.product(*values)])
    raise ValueError(f"A policy uses {function}, which has no meaning here.")


@cache
def _statements(role: str) -> list[dict[str, Any]]:
    loaded = yaml.load(TEMPLATE.read_bytes(), _Loader)  # noqa: S506  (a safe loader)
    policies = loaded["Resources"][role]["Properties"]["Policies"]
    found = []
    for policy in policies:
        for statement in policy["PolicyDocument"]["Statement"]:
            whole = statement["!If"][1] if "!If" in statement else statement
            actions = whole["Action"]
            found.append(whole | {"Action": actions if isinstance(actions, list) else [actions]})
    return found


class _Loader(yaml.CSafeLoader):
    """Reads `!Ref X` as {"!Ref": "X"}."""


def _function(loader: yaml.CSafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {f"!{name}": loader.construct_sequence(node, deep=True)}
    return {f"!{name}": loader.construct_scalar(node)}  # type: ignore[arg-type]


_Loader.add_multi_constructor("!", _function)
