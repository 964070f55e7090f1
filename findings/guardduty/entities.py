"""Extracts the entities and the principal that a finding names. Pure: no Django, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from findings.guardduty.lenient_json import each, field, first_in, sequence, text_in

ENTITY_NAME_MAX_LENGTH = 512
PRINCIPAL_MAX_LENGTH = 256
PRINCIPAL_TYPE_MAX_LENGTH = 64


class Kind(StrEnum):
    """The kinds of entities."""

    ADDRESS = "address"
    DOMAIN = "domain"
    INSTANCE = "instance"
    ROLE = "role"
    USER = "user"
    ACCESS_KEY = "access key"
    BUCKET = "bucket"
    CLUSTER = "cluster"
    FUNCTION = "function"
    TASK = "task"
    DATABASE = "database"
    SHARD_GROUP = "DB shard group"  # an Aurora PostgreSQL Limitless Database
    WORKLOAD = "workload"  # of Kubernetes
    CONTAINER = "container"
    OBJECT = "object"  # of S3
    VOLUME = "volume"
    SNAPSHOT = "snapshot"
    IMAGE = "image"  # an Amazon Machine Image
    RECOVERY_POINT = "recovery point"  # of AWS Backup
    GUARDRAIL = "guardrail"  # of Amazon Bedrock
    MODEL = "model"  # of Amazon Bedrock or SageMaker


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity that a finding names: an actor or an affected resource."""

    kind: Kind
    name: str  # a canonical address, an ID, a name or an ARN; never empty
    is_actor: bool  # False if it is an affected resource


class Federated(NamedTuple):
    """A user that acted and is not an IAM user."""

    name: str
    principal_type: str  # in lower case: "federateduser", "identitycenteruser", ...
    access_key: str  # with which it acted; "" if unknown


_KINDS_OF_PRINCIPAL = {
    "root": Kind.USER,
    "iamuser": Kind.USER,
    "federateduser": Kind.USER,
    "samluser": Kind.USER,
    "webidentityuser": Kind.USER,
    "identitycenteruser": Kind.USER,
    "directory": Kind.USER,
    "assumedrole": Kind.ROLE,
    "role": Kind.ROLE,
}

# Matches "AwsEc2Instance", "AWS::EC2::Instance" and "EC2_INSTANCE"; see `_folded`.
_KINDS_OF_RESOURCE = {
    "ec2instance": Kind.INSTANCE,
    "iamrole": Kind.ROLE,
    "iamuser": Kind.USER,
    "accesskey": Kind.ACCESS_KEY,
    "iamaccesskey": Kind.ACCESS_KEY,
    "s3bucket": Kind.BUCKET,
    "ekscluster": Kind.CLUSTER,
    "ecscluster": Kind.CLUSTER,
    "ecstask": Kind.TASK,
    "lambdafunction": Kind.FUNCTION,
    "rdsdbinstance": Kind.DATABASE,
    "rdsdbcluster": Kind.DATABASE,
    "rdsdbshardgroup": Kind.SHARD_GROUP,
    "kubernetesworkload": Kind.WORKLOAD,
    "container": Kind.CONTAINER,
    "s3object": Kind.OBJECT,
    "ec2volume": Kind.VOLUME,
    "ec2snapshot": Kind.SNAPSHOT,
    "ec2image": Kind.IMAGE,
    "backuprecoverypoint": Kind.RECOVERY_POINT,
    "bedrockguardrail": Kind.GUARDRAIL,
    "bedrockcustommodel": Kind.MODEL,
    "bedrockcustommodeldeployment": Kind.MODEL,
    "bedrockimportedmodel": Kind.MODEL,
    "bedrockprovisionedmodel": Kind.MODEL,
    "bedrockfoundationmodel": Kind.MODEL,
    "sagemakerendpoint": Kind.MODEL,
}
# Their ARN is their name, because the last part of it alone is not unique.
_NAMED_BY_ARN = {Kind.TASK, Kind.OBJECT, Kind.RECOVERY_POINT, Kind.WORKLOAD}

# Entities in a finding's `resource`: the kind, the path of keys, and the fields with the name.
_RESOURCES: tuple[tuple[Kind, tuple[str, ...], tuple[str, ...]], ...] = (
    (Kind.INSTANCE, ("instanceDetails",), ("instanceId",)),
    (Kind.BUCKET, ("s3BucketDetails",), ("name", "arn")),
    (Kind.CLUSTER, ("eksClusterDetails",), ("name", "arn")),
    (Kind.CLUSTER, ("ecsClusterDetails",), ("name", "arn")),
    (Kind.TASK, ("ecsClusterDetails", "taskDetails"), ("arn",)),
    (Kind.FUNCTION, ("lambdaDetails",), ("functionName", "functionArn")),
    (
        Kind.DATABASE,
        ("rdsDbInstanceDetails",),
        ("dbInstanceIdentifier", "dbInstanceArn", "dbClusterIdentifier"),
    ),
    (
        Kind.SHARD_GROUP,
        ("rdsLimitlessDbDetails",),
        ("dbShardGroupIdentifier", "dbShardGroupArn", "dbClusterIdentifier"),
    ),
    (Kind.CONTAINER, ("containerDetails",), ("id", "name")),
    (Kind.SNAPSHOT, ("ebsSnapshotDetails",), ("snapshotArn",)),
    (Kind.IMAGE, ("ec2ImageDetails",), ("imageArn",)),
    (Kind.RECOVERY_POINT, ("recoveryPointDetails",), ("recoveryPointArn",)),
    (Kind.GUARDRAIL, ("bedrockGuardrailDetails",), ("guardrailArn",)),
    (Kind.MODEL, ("modelDetails",), ("modelId",)),
)
# Entities in arrays inside `resource`: the kind, the path to the array, and as above.
_LISTED: tuple[tuple[Kind, tuple[str, ...], tuple[str, ...]], ...] = (
    (Kind.CONTAINER, ("ecsClusterDetails", "taskDetails", "containers"), ("id", "name")),
    (
        Kind.CONTAINER,
        ("kubernetesDetails", "kubernetesWorkloadDetails", "containers"),
        ("id", "name"),
    ),
    (Kind.VOLUME, ("ebsVolumeDetails", "scannedVolumeDetails"), ("volumeArn",)),
    (Kind.SNAPSHOT, ("ebsVolumeDetails", "scannedVolumeDetails"), ("snapshotArn",)),
    (Kind.GUARDRAIL, ("bedrockGuardrailDetails", "guardrails"), ("arn",)),
)


def _folded(name: Any) -> str:
    return re.sub("[_: ]", "", text_in(name, 64)).casefold().removeprefix("aws")


def principal_in(finding: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the name and type of the principal that acted, each "" if unknown.

    Database and Kubernetes users have no type.
    """
    for details in _principals(finding):
        name = _principal_name(details) or text_in(
            field(details, "principalId"), PRINCIPAL_MAX_LENGTH
        )
        kind = text_in(field(details, "userType"), PRINCIPAL_TYPE_MAX_LENGTH)
        if name or kind:
            return name, kind
    user = first_in(
        field(finding, "resource"),
        ("kubernetesDetails", "kubernetesUserDetails", "username"),
        ("rdsDbUserDetails", "user"),
        limit=PRINCIPAL_MAX_LENGTH,
    )
    return user, ""


def _principals(finding: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from each(field(finding, "resource", "accessKeyDetails"))
    yield from _actors_as_access_keys(field(finding, "service"))


def _type_of(details: Mapping[str, Any]) -> str:
    return _folded(field(details, "userType"))


def _principal_name(details: Mapping[str, Any]) -> str:
    name = text_in(field(details, "userName"), PRINCIPAL_MAX_LENGTH)
    return name or ("Root" if _type_of(details) == "root" else "")


def _actors_as_access_keys(service: Any) -> Iterator[Mapping[str, Any]]:
    for actor in sequence(service, "actors"):
        user = field(actor, "user")
        yield {
            "accessKeyId": field(user, "credentialUid"),
            "principalId": field(user, "uid"),
            "userName": field(user, "name"),
            "userType": field(user, "type"),
        }


def entities_in(
    finding: Mapping[str, Any], addresses: Iterable[str], domains: Iterable[str]
) -> tuple[Entity, ...]:
    """Returns each entity of the finding once, in order.

    `addresses` and `domains` are those of the actors. An entity that acted in any part of the
    finding is an actor.
    """
    found: dict[tuple[Kind, str], bool] = {}
    actors = [(Kind.ADDRESS, address) for address in addresses]
    actors += [(Kind.DOMAIN, domain) for domain in domains]
    actors += _acting(finding)
    for key in actors:
        found[key] = True
    is_actor = resource_acted(finding)
    for key in _attacked(field(finding, "resource")):
        found[key] = found.get(key, False) or is_actor
    for key in _affected(finding):
        found.setdefault(key, False)
    return tuple(
        Entity(kind, name, is_actor=acted) for (kind, name), acted in found.items() if name
    )


def resource_acted(finding: Mapping[str, Any]) -> bool:
    """Returns whether the account's own resource acted, for example scanned others or sent spam."""
    return _folded(field(finding, "service", "resourceRole")) == "actor"


def _acting(finding: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    service = field(finding, "service")
    for details in _principals(finding):
        kind = _KINDS_OF_PRINCIPAL.get(_type_of(details))
        if kind is not None:
            yield kind, _named(kind, _principal_name(details))
        yield Kind.ACCESS_KEY, _named(Kind.ACCESS_KEY, field(details, "accessKeyId"))
    for actor in sequence(service, "actors"):
        issuer = field(actor, "session", "issuer")
        if isinstance(issuer, str) and ":role/" in issuer:
            yield Kind.ROLE, _named(Kind.ROLE, issuer)


def foreign_principals(finding: Mapping[str, Any], account_id: str) -> Iterator[str]:
    """Yields the names of principals and keys that acted and are of another account.

    An attacker chooses them, so they can be the names of own roles and users.
    """
    for actor in sequence(field(finding, "service"), "actors"):
        user = field(actor, "user")
        account = text_in(field(user, "account", "uid"), PRINCIPAL_MAX_LENGTH)
        if account and account != account_id:
            yield _named(Kind.ROLE, _principal_name({"userName": field(user, "name")}))
            yield _named(Kind.ACCESS_KEY, field(user, "credentialUid"))
        issuer = text_in(field(actor, "session", "issuer"), ENTITY_NAME_MAX_LENGTH)
        if ":role/" in issuer and issuer.split(":")[4:5] != [account_id]:
            yield _named(Kind.ROLE, issuer)


def federated_in(finding: Mapping[str, Any]) -> Iterator[Federated]:
    """Yields the users that acted and are not IAM users, unless an IAM user of that name acted.

    Whoever starts a session chooses its name, which can be that of an IAM user.
    """
    principals = list(_principals(finding))
    iam_users = {_principal_name(one) for one in principals if _type_of(one) in {"iamuser", "root"}}
    for details in principals:
        kind, name = _KINDS_OF_PRINCIPAL.get(_type_of(details)), _principal_name(details)
        if kind == Kind.USER and name and name not in iam_users:
            key = _named(Kind.ACCESS_KEY, field(details, "accessKeyId"))
            yield Federated(_named(kind, name), _type_of(details), key)


def _attacked(resource: Any) -> Iterator[tuple[Kind, str]]:
    for kind, (key, *inner), names in _RESOURCES:
        for details in each(field(resource, key)):
            named = (_named(kind, field(details, *inner, name)) for name in names)
            yield kind, next(filter(None, named), "")
    workload = field(resource, "kubernetesDetails", "kubernetesWorkloadDetails")
    yield Kind.WORKLOAD, workload_name(workload)
    for kind, path, names in _LISTED:
        for details in each(field(resource, *path)):
            named = (_named(kind, field(details, name)) for name in names)
            yield kind, next(filter(None, named), "")
    for bucket in each(field(resource, "s3BucketDetails")):
        for details in each(field(bucket, "s3ObjectDetails")):
            yield Kind.OBJECT, object_name(details, bucket)


def workload_name(details: Any) -> str:
    """Returns the namespace and name of a Kubernetes workload: "payments/api"; "" if unnamed."""
    name = text_in(field(details, "name"), ENTITY_NAME_MAX_LENGTH // 2)
    namespace = text_in(field(details, "namespace"), ENTITY_NAME_MAX_LENGTH // 2 - 1)
    return f"{namespace}/{name}" if name and namespace else name


def object_name(details: Any, bucket: Any) -> str:
    """Returns the ARN of an S3 object, or its bucket and key: "logs/2026/11/23.gz"."""
    arn = text_in(field(details, "objectArn"), ENTITY_NAME_MAX_LENGTH)
    key = text_in(field(details, "key"), ENTITY_NAME_MAX_LENGTH)
    name = _named(Kind.BUCKET, field(bucket, "name") or field(bucket, "arn"))
    return arn or (f"{name}/{key}"[:ENTITY_NAME_MAX_LENGTH].rstrip() if name and key else key)


def _affected(finding: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    service = field(finding, "service")
    affected = field(service, "action", "awsApiCallAction", "affectedResources")
    for name, value in affected.items() if isinstance(affected, Mapping) else ():
        kind = _KINDS_OF_RESOURCE.get(_folded(name))
        if kind is not None:
            yield kind, _named(kind, value)
    for resource in (*sequence(service, "resources"), *each(field(finding, "resources"))):
        if (named := resource_entity(resource)) is not None:
            yield named


def resource_entity(resource: Mapping[str, Any]) -> tuple[Kind, str] | None:
    """Returns the kind and name of a resource of an attack sequence or of Security Hub.

    The name is "" if the resource has none. Returns None for a kind that is no entity.
    """
    kind = _KINDS_OF_RESOURCE.get(_folded(field(resource, "resourceType")))
    uid = field(resource, "uid")
    if kind is Kind.ACCESS_KEY and isinstance(uid, str) and uid.startswith("arn:"):
        kind = _kind_of_principal(uid)  # Security Hub names some keys by their user
    if kind is None:
        return None
    if kind is Kind.WORKLOAD:
        namespace = field(resource, "data", "kubernetesWorkload", "namespace")
        name = workload_name({"name": field(resource, "name"), "namespace": namespace})
        return kind, name or _named(kind, uid)
    # An instance's `name` is its tag, so use `uid`. For other kinds an ARN contains the name.
    is_certain = kind in {Kind.INSTANCE, Kind.ACCESS_KEY} or (
        isinstance(uid, str) and uid.startswith("arn:")
    )
    uids = (uid, field(resource, "name"))
    named = (_named(kind, said) for said in (uids if is_certain else uids[::-1]))
    return kind, next(filter(None, named), "")


def actor_entity(actor: Mapping[str, Any]) -> tuple[Kind, str] | None:
    """Returns the kind and name of the principal of an attack sequence's actor, or None."""
    user = field(actor, "user")
    details = {"userName": field(user, "name"), "userType": field(user, "type")}
    kind = _KINDS_OF_PRINCIPAL.get(_folded(details["userType"]))
    name = _named(kind, _principal_name(details)) if kind is not None else ""
    return (kind, name) if kind is not None and name else None


def _kind_of_principal(arn: str) -> Kind | None:
    if ":user/" in arn:
        return Kind.USER
    return Kind.ROLE if ":role/" in arn or ":assumed-role/" in arn else None


def _named(kind: Kind, value: Any) -> str:
    """Returns the name that other findings use, taken from an ARN; see _NAMED_BY_ARN."""
    text = text_in(value, ENTITY_NAME_MAX_LENGTH)
    if text.startswith("AWS::"):  # Security Hub's "AWS::IAM::AccessKey:AKIA..."
        return text_in(text.rpartition(":")[2], ENTITY_NAME_MAX_LENGTH)  # it may be "null"
    parts = text.split(":", 5)
    if kind in _NAMED_BY_ARN or parts[0] != "arn" or len(parts) < 6:
        return text
    inside = parts[5]
    if kind is Kind.BUCKET:
        return inside.partition("/")[0] or text
    if kind in {Kind.FUNCTION, Kind.DATABASE, Kind.SHARD_GROUP}:
        return inside.split(":")[1] if ":" in inside else text
    path = inside.split("/")
    is_session = kind is Kind.ROLE and path[0] == "assumed-role" and len(path) > 1
    return (path[1] if is_session else path[-1]) or text
