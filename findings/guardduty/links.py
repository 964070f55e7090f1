"""Links to AWS: GuardDuty's console, AWS's documentation, and consoles of resources. Pure.

AWS opens a console in the account that the reader is signed in to.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from findings.guardduty.entities import Kind

_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}
_PREFIXES = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
_region = re.compile(r"[a-z]{2,8}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")


def partition_of(region: str) -> str:
    """Returns the partition of a region: "aws", "aws-cn", "aws-us-gov" or "aws-eusc"."""
    return next((name for start, name in _PREFIXES.items() if region.startswith(start)), "aws")


def finding_url(*, region: str, finding_id: str) -> str:
    """Returns the page of a finding in GuardDuty's console; "" if the region is not one."""
    base = console_of(region)
    query = f"macros=current&fId={quote(finding_id, safe='')}"
    return f"{base}/guardduty/home?region={region}#/findings?{query}" if base else ""


def documentation_url(finding_type: str, page: str) -> str:
    """Returns the section about a finding type on AWS's page of types; "" without a page.

    AWS's anchors write "Recon:IAMUser/TorIPCaller" as "recon-iam-toripcaller".
    """
    purpose, _, rest = finding_type.partition(":")
    resource, _, family = rest.partition("/")
    resource = "iam" if resource == "IAMUser" else resource
    parts = (re.sub("[^a-z0-9]", "", part.casefold()) for part in (purpose, resource, family))
    return f"{page}#{'-'.join(filter(None, parts))}" if page else ""


def resource_url(kind: str, name: str, *, region: str, finding_type: str = "") -> str:
    """Returns the page of a resource in its AWS console; "" if it has none.

    `finding_type` tells whether a cluster is one of ECS or of EKS.
    """
    base = console_of(region)
    if not base or not name:
        return ""
    at = f"?region={region}"
    if kind == Kind.TASK:
        cluster, _, task = name.rpartition(":task/")[2].partition("/")
        path = f"/ecs/v2/clusters/{_safe(cluster)}/tasks/{_safe(task)}{at}"
        return f"{base}{path}" if cluster and task else ""
    if kind == Kind.OBJECT:
        bucket, _, key = name.rpartition(":::")[2].partition("/")
        path = f"/s3/object/{_safe(bucket)}{at}&prefix={_safe(key)}"
        return f"{base}{path}" if bucket and key else ""
    if kind == Kind.CLUSTER and ":ECS/" in finding_type:
        return f"{base}/ecs/v2/clusters/{_safe(name)}{at}"
    page = _PAGES.get(kind, "")
    return f"{base}{page.format(at=at, name=_safe(name))}" if page else ""


_PAGES: dict[str, str] = {
    Kind.INSTANCE: "/ec2/home{at}#InstanceDetails:instanceId={name}",
    Kind.VOLUME: "/ec2/home{at}#VolumeDetails:volumeId={name}",
    Kind.SNAPSHOT: "/ec2/home{at}#SnapshotDetails:snapshotId={name}",
    Kind.IMAGE: "/ec2/home{at}#ImageDetails:imageId={name}",
    Kind.BUCKET: "/s3/buckets/{name}{at}",
    Kind.USER: "/iam/home#/users/details/{name}",
    Kind.ROLE: "/iam/home#/roles/details/{name}",
    Kind.CLUSTER: "/eks/clusters/{name}{at}",
    Kind.FUNCTION: "/lambda/home{at}#/functions/{name}",
    Kind.DATABASE: "/rds/home{at}#database:id={name}",
    Kind.SHARD_GROUP: "/rds/home{at}#database:id={name}",
    Kind.GUARDRAIL: "/bedrock/home{at}#/guardrails/{name}",
}


def console_of(region: str) -> str:
    """Returns the console's address; "" for what is not the name of a region."""
    if not _region.fullmatch(region):
        return ""
    return f"https://{region}.{_CONSOLES[partition_of(region)]}"


def _safe(name: str) -> str:
    return quote(name, safe="")
