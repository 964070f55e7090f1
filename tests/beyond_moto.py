"""What AWS does and moto does not: answers and refusals of the proxy in tests/aws.py."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import boto3

from actions import members

# Operations whose name is only in the path, so that tests can inject failures.
_OF_PATHS = {
    ("GET", r"/clusters/[^/]+/pod-identity-associations"): "ListPodIdentityAssociations",
    ("GET", r"/clusters/[^/]+/pod-identity-associations/[^/]+"): "DescribePodIdentityAssociation",
    ("POST", r"/detector/[^/]+/findings/archive"): "ArchiveFindings",
}


class Request(NamedTuple):
    """A request to AWS."""

    command: str
    path: str
    body: bytes
    operation: str

    @property
    def form(self) -> dict[str, str]:
        """The parameters of a query API."""
        return {name: one[0] for name, one in parse_qs(self.body.decode("latin-1")).items()}

    @property
    def is_rest_json(self) -> bool:
        """Whether the service names operations by path, and answers in JSON."""
        return self.operation in _OF_PATHS.values()

    @property
    def json(self) -> Any:
        """The parameters of a JSON API."""
        return json.loads(self.body or "{}")


def operation_of(command: str, path: str) -> str:
    """Returns the operation of a REST path; the method if it is unknown."""
    path = urlsplit(path).path
    for (method, pattern), operation in _OF_PATHS.items():
        if method == command and re.fullmatch(pattern, path):
            return operation
    return command


@dataclass
class BeyondMoto:
    """The state of what moto lacks."""

    # The external ID of the containment role in each account that has it. moto lets anybody assume
    # any role.
    members: dict[str, str] = field(default_factory=dict)
    # The roles of EKS Pod Identity, by cluster, namespace and service account.
    pod_roles: dict[tuple[str, str, str], str] = field(default_factory=dict)
    # The domains of the domain lists of Route 53 Resolver DNS Firewall, by ID, and how many fit.
    domain_lists: dict[str, set[str]] = field(default_factory=dict)
    domain_limit: int = 100_000
    calls: list[Any] = field(default_factory=list)  # `userIdentity` of each event of CloudTrail
    archived: set[str] = field(default_factory=set)  # the IDs of findings, in GuardDuty

    def refusal(self, request: Request, moto_url: str) -> tuple[int, str] | None:
        """Returns the status and the code with which AWS refuses what moto allows."""
        if request.operation == "AssumeRole":
            asked = request.form
            account_id = asked["RoleArn"].split(":")[4]
            is_ours = asked["RoleArn"].endswith(f"/{members.ROLE}")
            if is_ours and self.members.get(account_id) != asked.get("ExternalId", ""):
                return 403, "AccessDenied"
        if request.operation == "ModifyManagedPrefixList":
            return _refused_by_prefix_list(request.form, moto_url)
        if request.operation == "ModifyNetworkInterfaceAttribute":
            groups = [one for name, one in request.form.items() if name.startswith("SecurityGroup")]
            return _refused_by_groups(groups, moto_url)
        return None

    def answer(self, request: Request) -> tuple[int, Any] | None:
        """Returns the status and the JSON document of an operation that moto lacks."""
        method = getattr(self, f"_{request.operation}", None)
        return method(request) if method else None

    def _ListPodIdentityAssociations(self, request: Request) -> tuple[int, Any]:
        path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        asked = (path.split("/")[2], query["namespace"][0], query["serviceAccount"][0])
        found = [{"associationId": ":".join(asked)}] if asked in self.pod_roles else []
        return 200, {"associations": found}

    def _DescribePodIdentityAssociation(self, request: Request) -> tuple[int, Any]:
        which = urlsplit(request.path).path.split("/")[4].replace("%3A", ":")
        cluster, namespace, account = which.split(":")
        return 200, {"association": {"roleArn": self.pod_roles[cluster, namespace, account]}}

    def _ListFirewallDomains(self, request: Request) -> tuple[int, Any]:
        """Two domains a page."""
        asked = request.json
        if (found := self.domain_lists.get(asked["FirewallDomainListId"])) is None:
            return 400, {"__type": "ResourceNotFoundException", "message": "no such list"}
        begin = int(asked.get("NextToken", 0))
        more = {"NextToken": str(begin + 2)} if begin + 2 < len(found) else {}
        return 200, {"Domains": sorted(found)[begin : begin + 2], **more}

    def _UpdateFirewallDomains(self, request: Request) -> tuple[int, Any]:
        asked = request.json
        found, said = self.domain_lists[asked["FirewallDomainListId"]], set(asked["Domains"])
        if len(asked["Domains"]) > 1000:
            return 400, {"__type": "ValidationException", "message": "too many"}
        if any("_" in one or ".-" in one for one in said):
            return 400, {"__type": "ValidationException", "message": "not a domain"}
        changed = found | said if asked["Operation"] == "ADD" else found - said
        if len(changed) > self.domain_limit:
            return 400, {"__type": "LimitExceededException", "message": "full"}
        self.domain_lists[asked["FirewallDomainListId"]] = changed
        return 200, {"Id": asked["FirewallDomainListId"], "Status": "UPDATING"}

    def _LookupEvents(self, request: Request) -> tuple[int, Any]:
        (attribute,) = request.json["LookupAttributes"]
        assert attribute["AttributeKey"] == "AccessKeyId"
        found = [one for one in self.calls if one["accessKeyId"] == attribute["AttributeValue"]]
        events = [{"CloudTrailEvent": json.dumps({"userIdentity": one})} for one in found]
        return 200, {"Events": events}

    def _ArchiveFindings(self, request: Request) -> tuple[int, Any]:
        self.archived |= set(request.json["findingIds"])
        return 200, {}


@functools.cache
def _ec2(moto_url: str) -> Any:
    return boto3.client("ec2", endpoint_url=moto_url, region_name="eu-central-1")


def _refused_by_groups(asked: list[str], moto_url: str) -> tuple[int, str] | None:
    """moto gives a network interface a group that does not exist."""
    ec2 = _ec2(moto_url)
    filters = [{"Name": "group-id", "Values": asked}]
    found = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    return None if len(found) == len(asked) else (400, "InvalidGroup.NotFound")


def _refused_by_prefix_list(asked: dict[str, str], moto_url: str) -> tuple[int, str] | None:
    """moto checks neither the version nor the size of a prefix list."""
    ec2 = _ec2(moto_url)
    which = asked["PrefixListId"]
    every = ec2.describe_managed_prefix_lists()["PrefixLists"]
    found = next((one for one in every if one["PrefixListId"] == which), None)
    if found is None:
        return None  # of another account
    if int(asked["CurrentVersion"]) != found["Version"]:
        return 400, "PrefixListVersionMismatch"
    added = sum(name.startswith("AddEntry.") and name.endswith(".Cidr") for name in asked)
    removed = sum(name.startswith("RemoveEntry.") for name in asked)
    if added > 100:
        return 400, "InvalidParameterValue"
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=which).get("Entries", ())
    if len(entries) + added - removed > found["MaxEntries"]:
        return 400, "PrefixListMaxEntriesExceeded"
    return None
