"""Extracts all that a finding says, as labeled groups of facts, for people to read.

Pure: no Django, no clock. Never raises for the content of a finding. What has no group of its own
is told by the names of its fields, so that nothing that GuardDuty adds is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from findings.guardduty.connections import Connection, connections_in, domain_in
from findings.guardduty.entities import Kind, workload_name
from findings.guardduty.facts import Fact, Group, all_of, fact, group, text_of, told, words_of
from findings.guardduty.lenient_json import address_in, each, field, from_json, is_true, text_in
from findings.guardduty.parser import Unparsed, in_guardduty_format
from findings.guardduty.sequences import (
    Attack,
    Signal,
    indicators_in,
    other_indicators,
    parts_in,
    signals_in,
    tactic_of_type,
    tactics_of,
    techniques_of,
)

GROUPS_MAX = 80  # and one about the finding itself
_READ = 1000  # groups, of which those that say nothing are left out


@dataclass(frozen=True, slots=True)
class Details:
    """All that a finding says."""

    groups: tuple[Group, ...] = ()  # none is empty
    signals: tuple[Signal, ...] = ()  # of an attack sequence, in order of time
    tactics: tuple[Attack, ...] = ()
    techniques: tuple[Attack, ...] = ()


def details_in(document: Any) -> Details:
    """Returns the details of a finding in any format; empty if it cannot be parsed."""
    finding = in_guardduty_format(document)
    if isinstance(finding, Unparsed):
        return Details()
    service = field(finding, "service")
    signals = signals_in(service)
    indicators = list(each(field(service, "detection", "sequence", "sequenceIndicators")))
    if not indicators:
        indicators = indicators_in(field(finding, "description"))
    by_type = tactic_of_type(text_in(field(finding, "type"), 200))
    by_signals = dict.fromkeys(one for signal in signals for one in signal.tactics)
    techniques = dict.fromkeys(one for signal in signals for one in signal.techniques)
    groups = [one for one in islice(_groups(finding), _READ) if one.facts]
    if len(groups) > GROUPS_MAX:
        more = group("More", Fact("Groups", "The raw finding says more."), is_minor=True)
        groups = [*groups[: GROUPS_MAX - 1], more]
    groups.sort(key=lambda one: one.is_minor)
    return Details(
        groups=(*groups, *(one for one in [_of_finding(finding)] if one.facts)),
        signals=signals,
        tactics=tactics_of(indicators) or by_type or tuple(by_signals),
        techniques=techniques_of(indicators) or tuple(techniques),
    )


def _groups(finding: Mapping[str, Any]) -> Iterator[Group]:
    service, resource = field(finding, "service"), field(finding, "resource")
    yield from _sequence(service)
    yield from _network(finding)
    yield from _calls(service)
    yield group("Origin of the addresses", _origins(field(service, "action")))
    yield from _runtime(field(service, "runtimeDetails"))
    yield from _malware(service)
    yield from _anomalies(service)
    yield from _intelligence(service)
    yield from _containers(resource)
    yield from _resources(finding)
    yield from _others(finding)
    for title, facts in parts_in(service):
        yield group(title, facts, is_minor=True)


# What was done


def _sequence(service: Any) -> Iterator[Group]:
    said = field(service, "detection", "sequence")
    yield group(
        "Sequence",
        fact("Summary", field(said, "description")),
        other_indicators(each(field(said, "sequenceIndicators"))),
        fact("Also", field(said, "additionalSequenceTypes")),
    )


def _network(finding: Mapping[str, Any]) -> Iterator[Group]:
    service = field(finding, "service")
    action = field(service, "action")
    made = next(each(field(action, "networkConnectionAction")), None)
    connections = connections_in(finding)
    title = "Network connections" if connections else "Network traffic"
    facts = [
        Fact(f"Connection {number}", _in_words(one), *_address(one.remote_address))
        for number, one in enumerate(connections, start=1)
    ]
    if len(connections) == 1 and made is not None:
        title, facts = "Network connection", list(_connection(connections[0]))
    yield group(
        title,
        facts,
        fact("Blocked", field(made, "blocked")),
        fact("Blocked", field(action, "portProbeAction", "blocked")),
        fact("Network interface", field(made, "localNetworkInterface")),
        all_of(field(made, "traffic")),
        _bytes(service),
    )
    asked = field(action, "dnsRequestAction")
    domain = domain_in(field(asked, "domain"))
    yield group(
        "DNS request",
        fact("Domain", field(asked, "domain"), kind=Kind.DOMAIN, name=domain),
        told(
            asked,
            {
                "Registered domain": "domainWithSuffix",
                "Protocol": "protocol",
                "Blocked": "blocked",
                "Owner of the VPC": "vpcOwnerAccountId",
            },
        ),
    )


def _connection(one: Connection) -> Iterator[Fact]:
    said = [
        fact("Direction", one.direction.capitalize()),
        fact("Protocol", one.protocol),
        fact("Remote address", one.remote_address, kind=Kind.ADDRESS, name=one.remote_address),
        fact("Remote port", _port(one.remote_port, one.remote_port_name)),
        fact("Own address", one.local_address),
        fact("Own port", _port(one.local_port, one.local_port_name)),
    ]
    yield from filter(None, said)


def _in_words(one: Connection) -> str:
    """Returns a connection as text: "198.51.100.7 to 10.0.0.1 port 22 (SSH), TCP, inbound"."""
    remote = _end(one.remote_address, one.remote_port, one.remote_port_name)
    local = _end(one.local_address, one.local_port, one.local_port_name)
    ends = (local, remote) if one.direction == "OUTBOUND" else (remote, local)
    others = (one.protocol, one.direction.lower(), "blocked" if one.is_blocked else "")
    return ", ".join(filter(None, (" to ".join(filter(None, ends)), *others)))


def _end(address: str, port: int | None, name: str) -> str:
    text = _port(port, name)
    return " ".join(filter(None, (address, f"port {text}" if text else "")))


def _port(port: int | None, name: str) -> str:
    if port is None:
        return name
    return f"{port} ({name})" if name else str(port)


def _address(address: str) -> tuple[str, str]:
    return (Kind.ADDRESS, address) if address else ("", "")


def _bytes(service: Any) -> Iterator[Fact]:
    """Yields the numbers of bytes, which GuardDuty writes to `additionalInfo`."""
    for info in _additional(service):
        for key, value in info.items():
            if isinstance(key, str) and "bytes" in key.casefold():
                yield from all_of(value, label=words_of(key))


def _origins(action: Any) -> Iterator[Fact]:
    remotes = [
        *each(field(action, "networkConnectionAction")),
        *each(field(action, "awsApiCallAction")),
        *each(field(action, "kubernetesApiCallAction")),
        *each(field(action, "rdsLoginAttemptAction")),
        *each(field(action, "portProbeAction", "portProbeDetails")),
    ]
    for one in remotes:
        for remote in each(field(one, "remoteIpDetails")):
            address = address_in(field(remote, "ipAddressV4")) or address_in(
                field(remote, "ipAddressV6")
            )
            number = text_of(field(remote, "organization", "asn"))
            said = (
                field(remote, "city", "cityName"),
                field(remote, "country", "countryName") or field(remote, "country", "countryCode"),
                f"AS{number}" if number and not number.startswith("-") else "",
                field(remote, "organization", "asnOrg"),
                field(remote, "organization", "isp"),
                field(remote, "organization", "org"),
            )
            texts = dict.fromkeys(filter(None, map(text_of, said)))
            yield from filter(None, [fact(address or "Remote", ", ".join(texts))])


def _calls(service: Any) -> Iterator[Group]:
    action = field(service, "action")
    for call in each(field(action, "awsApiCallAction")):
        domain = domain_in(field(call, "domainDetails", "domain"))
        yield group(
            "API call",
            told(
                call,
                {
                    "API": "api",
                    "Service": "serviceName",
                    "Error": "errorCode",
                    "Caller": "callerType",
                },
            ),
            fact("Count", field(service, "count")),
            fact("Domain", field(call, "domainDetails", "domain"), kind=Kind.DOMAIN, name=domain),
            told(
                call,
                {
                    "Account of the caller": "remoteAccountDetails.accountId",
                    "Affiliated account": "remoteAccountDetails.affiliated",
                    "Service of the caller": "remoteAccountDetails.awsServiceName",
                    "User agent": "userAgent",
                },
            ),
            all_of(field(call, "affectedResources")),
            _recent_calls(service),
        )
    call = field(action, "kubernetesApiCallAction")
    yield group(
        "Kubernetes API call",
        told(
            call,
            {
                "Verb": "verb",
                "Request URI": "requestUri",
                "Resource": "resource",
                "Subresource": "subresource",
                "Namespace": "namespace",
                "Name of the resource": "resourceName",
                "Status code": "statusCode",
                "Parameters": "parameters",
                "User agent": "userAgent",
                "Source addresses": "sourceIPs",
                "Sources": "sourceIps",
            },
        ),
        told(
            field(action, "kubernetesPermissionCheckedDetails"),
            {
                "Checked verb": "verb",
                "Checked resource": "resource",
                "Checked namespace": "namespace",
                "Allowed": "allowed",
            },
        ),
        all_of(field(action, "kubernetesRoleBindingDetails"), label="Role binding"),
        all_of(field(action, "kubernetesRoleDetails"), label="Role"),
    )
    attempts = list(each(field(action, "rdsLoginAttemptAction", "loginAttributes")))
    for attempt in attempts:
        yield group(
            "Database sign-in",
            told(
                attempt,
                {
                    "User": "user",
                    "Application": "application",
                    "Failed attempts": "failedLoginAttempts",
                    "Successful attempts": "successfulLoginAttempts",
                },
            ),
        )
    known = {
        "actionType", "networkConnectionAction", "portProbeAction", "dnsRequestAction",
        "awsApiCallAction", "kubernetesApiCallAction", "kubernetesPermissionCheckedDetails",
        "kubernetesRoleBindingDetails", "kubernetesRoleDetails", "rdsLoginAttemptAction",
    }  # fmt: skip
    yield group("Action", all_of(action, skip=known))


def _recent_calls(service: Any) -> Iterator[Fact]:
    for info in _additional(service):
        calls = (
            f"{text_of(field(one, 'api'))} ({text_of(field(one, 'count')) or 1})"
            for one in each(field(info, "recentApiCalls"))
        )
        yield from filter(None, [fact("Recent API calls", list(calls))])


# Processes and files


def _runtime(details: Any) -> Iterator[Group]:
    context = field(details, "context")
    yield group("Process", _process(field(details, "process")))
    yield group(
        "Context of the process", all_of(context, skip=("modifyingProcess", "targetProcess"))
    )
    yield group("Modifying process", _process(field(context, "modifyingProcess")))
    yield group("Target process", _process(field(context, "targetProcess")))
    yield group("Runtime details", all_of(details, skip=("process", "context")))


_PROCESS = {
    "Name": "name",
    "Path": "executablePath",
    "SHA-256": "executableSha256",
    "Command line": "commandLine",
    "User": "user",
    "User ID": "userId",
    "Effective user ID": "euid",
    "PID": "pid",
    "PID in the namespace": "namespacePid",
    "Working directory": "pwd",
    "Started": "startTime",
}


def _process(process: Any) -> Iterator[Fact]:
    yield from told(process, _PROCESS)
    lineage = list(each(field(process, "lineage")))
    parent = text_in(field(process, "parentUuid"), 128)
    by_uuid = [one for one in lineage if parent and field(one, "uuid") == parent]
    for number, one in enumerate(dict.fromkeys(map(_ancestor, [*by_uuid, *lineage]))):
        yield from filter(None, [fact("Parent" if number == 0 else f"Ancestor {number + 1}", one)])
    known = {*_PROCESS.values(), "lineage"}
    yield from all_of(process, skip=known)


def _ancestor(process: Any) -> str:
    name, path = text_of(field(process, "name")), text_of(field(process, "executablePath"))
    pid, user = text_of(field(process, "pid")), text_of(field(process, "userId"))
    others = [path if name else "", f"PID {pid}" if pid else "", f"user ID {user}" if user else ""]
    return ", ".join(filter(None, [name or path, *others]))


def _malware(service: Any) -> Iterator[Group]:
    scan = field(service, "ebsVolumeScanDetails")
    found = field(scan, "scanDetections")
    by_name = field(found, "threatDetectedByName")
    for threat in each(field(by_name, "threatNames")):
        yield group(
            f"Malware {text_of(field(threat, 'name'))}",
            told(threat, {"Threat": "name", "Severity": "severity", "Infected files": "itemCount"}),
            _files(each(field(threat, "filePaths"))),
        )
    scan_of_files = field(service, "malwareScanDetails")
    for threat in each(field(scan_of_files, "threats")):
        yield group(
            f"Malware {text_of(field(threat, 'name'))}",
            told(
                threat,
                {
                    "Threat": "name",
                    "Severity": "severity",
                    "Infected files": "count",
                    "Found by": "source",
                    "Hash": "hash",
                },
            ),
            _files(each(field(threat, "itemPaths"))),
            _files(each(field(threat, "itemDetails"))),
        )
    yield group(
        "Malware scan",
        told(
            scan,
            {
                "Scan": "scanId",
                "Kind": "scanType",
                "Started": "scanStartedAt",
                "Completed": "scanCompletedAt",
                "Caused by the finding": "triggerFindingId",
                "Found by": "sources",
            },
        ),
        all_of(field(found, "scannedItemCount"), label="Scanned"),
        all_of(field(found, "threatsDetectedItemCount"), label="Infected"),
        all_of(field(found, "highestSeverityThreatDetails"), label="Most severe"),
        all_of(by_name, skip=("threatNames",)),
        all_of(scan_of_files, skip=("threats",)),
    )


def _files(files: Iterator[Mapping[str, Any]]) -> Iterator[Fact]:
    for number, file in enumerate(files, start=1):
        of = f" of file {number}" if number > 1 else ""
        said = [
            fact(
                f"File {number}" if number > 1 else "File",
                field(file, "filePath")
                or field(file, "itemPath")
                or field(file, "nestedItemPath")
                or field(file, "fileName"),
            ),
            fact(f"Hash{of}", field(file, "hash")),
            fact(f"Volume{of}", field(file, "volumeArn")),
            fact(f"Resource{of}", field(file, "resourceArn")),
        ]
        yield from filter(None, said)
        yield from all_of(field(file, "additionalInfo"), label="File" if not of else of[4:].title())


# What is unusual, and what is known


_HOW_OFTEN = {
    "UNSEEN": "seen for the first time",
    "RARE": "rare",
    "INFREQUENT": "infrequent",
    "FREQUENT": "frequent",
    "COUNT": "unusual number",
    "AVERAGE": "unusual average",
}
_profiled = re.compile(
    r"(?P<how>unusual|rare|infrequent|frequent)(?:Profiled)?(?P<what>.+?)"
    r"(?P<scope>Account|UserIdentity|Bucket|Cluster|Database|Username|Function)?Profiling"
)
_SCOPES = {"UserIdentity": "the user identity", "Username": "the user name", None: ""}


def _anomalies(service: Any) -> Iterator[Group]:
    anomaly = field(service, "detection", "anomaly")
    unusual: list[Fact] = []
    usual: list[Fact] = []
    for scope, features in _items(field(anomaly, "unusual", "behavior")):
        for feature, said in _items(features):
            unusual += filter(None, [_observed(scope, feature, said)])
    for scope, features in _items(field(anomaly, "profiles")):
        for feature, profiles in _items(features):
            for said in each(profiles):
                usual += filter(None, [_observed(scope, feature, said)])
    for info in _additional(service):
        for part in ("unusualBehavior", "profiledBehavior"):
            for key, value in _items(field(info, part)):
                matched = _profiled.fullmatch(key)
                if matched is None:
                    unusual += all_of(value if is_true(value) else None, label=words_of(key))
                    continue
                scope = _SCOPES.get(matched["scope"], f"the {(matched['scope'] or '').lower()}")
                label = f"{words_of(matched['what'])}{f' for {scope}' if scope else ''}"
                is_unusual = matched["how"] == "unusual"
                how = "" if is_unusual else f" ({matched['how']})"
                text = text_of(value)
                found = fact(label, f"{text}{how}" if text else "")
                (unusual if is_unusual else usual).extend(filter(None, [found]))
        unusual += all_of(field(info, "anomalies"))
        unusual += all_of(field(info, "unusual"))
    yield group("Unusual for this account", unusual)
    yield group("Usual behavior", usual, is_minor=True)


def _observed(scope: str, feature: str, said: Any) -> Fact | None:
    observations = field(said, "observations")
    texts = text_of(field(observations, "text")) or text_of(field(observations, "number"))
    how = _HOW_OFTEN.get(text_of(field(said, "profileSubtype")), "")
    label = f"{words_of(feature)} ({words_of(scope).lower()})"
    return fact(label, ": ".join(filter(None, (how[:1].upper() + how[1:], texts))))


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    for key, inside in value.items() if isinstance(value, Mapping) else ():
        if isinstance(key, str):
            yield key, inside


def _additional(service: Any) -> Iterator[Mapping[str, Any]]:
    """Yields GuardDuty's additional information, which may be JSON in a string."""
    info = field(service, "additionalInfo")
    yield from each(info)
    yield from each(from_json(field(info, "value")))


_TOLD = {
    "value", "type", "sample", "userAgent", "unusual", "anomalies", "unusualBehavior",
    "profiledBehavior", "recentApiCalls",
}  # fmt: skip


def _intelligence(service: Any) -> Iterator[Group]:
    evidence = field(service, "evidence")
    lists: list[Fact] = []
    for one in each(field(evidence, "threatIntelligenceDetails")):
        name = text_of(field(one, "threatListName")) or "Threat list"
        lists += filter(None, [fact(name, field(one, "threatNames") or "Listed")])
        lists += told(one, {"SHA-256 of the file": "threatFileSha256"})
        lists += all_of(one, skip=("threatListName", "threatNames", "threatFileSha256"))
    yield group("Threat intelligence", lists)
    yield group("Evidence", all_of(evidence, skip=("threatIntelligenceDetails",)))
    infos = list(_additional(service))
    keys = (key for info in infos for key in info if isinstance(key, str))
    skip = _TOLD | {key[:1].lower() + key[1:] for key in keys if "bytes" in key.casefold()}
    agents = [field(info, "userAgent") for info in infos]
    yield group(
        "Additional information",
        *(fact("User agent", field(agent, "fullUserAgent")) for agent in agents),
        *(fact("Kind of user agent", field(agent, "userAgentCategory")) for agent in agents),
        *(all_of(info, skip=skip) for info in infos),
    )


# What is affected


def _containers(resource: Any) -> Iterator[Group]:
    workload = field(resource, "kubernetesDetails", "kubernetesWorkloadDetails")
    name = workload_name(workload)
    yield group(
        "Kubernetes workload",
        fact("Workload", name, kind=Kind.WORKLOAD, name=name),
        told(
            workload,
            {"Kind": "type", "Namespace": "namespace", "Service account": "serviceAccountName"},
        ),
        all_of(
            workload,
            skip=("name", "type", "namespace", "serviceAccountName", "containers"),
        ),
    )
    yield group(
        "Kubernetes user",
        all_of(field(resource, "kubernetesDetails", "kubernetesUserDetails")),
    )
    cluster = field(resource, "ecsClusterDetails")
    task = field(cluster, "taskDetails")
    arn = text_in(field(task, "arn"), 512)
    yield group(
        "ECS task",
        fact("Task", arn, kind=Kind.TASK, name=arn),
        told(
            task,
            {
                "Task definition": "definitionArn",
                "Version": "version",
                "Launch type": "launchType",
                "Group": "group",
                "Started by": "startedBy",
                "Started": "startedAt",
                "Created": "createdAt",
            },
        ),
        all_of(
            task,
            skip=(
                "arn",
                "definitionArn",
                "version",
                "launchType",
                "group",
                "startedBy",
                "startedAt",
                "createdAt",
                "containers",
            ),
        ),
    )
    for container in (
        *each(field(resource, "containerDetails")),
        *each(field(task, "containers")),
        *each(field(workload, "containers")),
    ):
        name = text_of(field(container, "id")) or text_of(field(container, "name"))
        yield group(
            f"Container {text_of(field(container, 'name'))}".rstrip(),
            fact("Name", field(container, "name"), kind=Kind.CONTAINER, name=name),
            told(
                container,
                {
                    "Image": "image",
                    "ID": "id",
                    "Runtime": "containerRuntime",
                    "Privileged": "securityContext.privileged",
                },
            ),
            all_of(container, skip=("name", "image", "id", "containerRuntime", "securityContext")),
        )


# The field of `resource`, its title, and the field with its name.
_TITLES = {
    "instanceDetails": ("Instance", "instanceId"),
    "accessKeyDetails": ("Credential", "accessKeyId"),
    "s3BucketDetails": ("Bucket", "name"),
    "eksClusterDetails": ("EKS cluster", "name"),
    "ecsClusterDetails": ("ECS cluster", "name"),
    "lambdaDetails": ("Function", "functionName"),
    "rdsDbInstanceDetails": ("Database", "dbInstanceIdentifier"),
    "rdsLimitlessDbDetails": ("Limitless database", "dbShardGroupIdentifier"),
    "rdsDbUserDetails": ("Database user", "user"),
    "ebsVolumeDetails": ("Volumes", ""),
    "ebsSnapshotDetails": ("Snapshot", ""),
    "ec2ImageDetails": ("Image", ""),
    "recoveryPointDetails": ("Recovery point", ""),
    "bedrockGuardrailDetails": ("Bedrock guardrail", ""),
    "modelDetails": ("Model", "modelId"),
}
_OWN_GROUPS = {"resourceType", "kubernetesDetails", "containerDetails"}


def _resources(finding: Mapping[str, Any]) -> Iterator[Group]:
    listed = list(each(field(finding, "resources")))  # in Security Hub's formats
    for key, value in _items(field(finding, "resource")):
        key = key[:1].lower() + key[1:]
        if key in _OWN_GROUPS or (key == "instanceDetails" and listed):
            continue
        title, name = _TITLES.get(key, (words_of(key).removesuffix(" details"), ""))
        for one in each(value):
            named = text_of(field(one, name)) if name else ""
            yield group(
                f"{title} {named}".rstrip(),
                all_of(
                    one,
                    skip=("networkInterfaces", "taskDetails", "s3ObjectDetails", "publicAccess"),
                ),
                fact("Public access", field(one, "publicAccess", "effectivePermission")),
            )
            permissions = field(one, "publicAccess", "permissionConfiguration")
            yield group(
                f"Public access of {named}",
                all_of(field(permissions, "bucketLevelPermissions")),
                all_of(field(permissions, "accountLevelPermissions"), label="Account"),
                is_minor=True,
            )
            for interface in each(field(one, "networkInterfaces")):
                uid = text_of(field(interface, "networkInterfaceId"))
                yield group(f"Network interface {uid}".rstrip(), all_of(interface), is_minor=True)
            for number, stored in enumerate(each(field(one, "s3ObjectDetails")), start=1):
                yield group(f"Object {number}", all_of(stored))
    for one in listed:
        kind = text_of(field(one, "resourceType")) or "Resource"
        yield group(
            kind,
            told(one, {"ID": "uid", "Name": "name"}),
            *(
                all_of(details)
                for key, details in _items(field(one, "details"))
                if isinstance(details, Mapping)
            ),
            all_of(
                {
                    key: details
                    for key, details in _items(field(one, "details"))
                    if not isinstance(details, Mapping)
                }
            ),
            all_of(field(one, "tags"), label="Tags"),
        )


# The finding itself


_OF_SERVICE = {
    "action", "additionalInfo", "archived", "count", "detection", "detectorId",
    "ebsVolumeScanDetails", "eventFirstSeen", "eventLastSeen", "evidence", "featureName",
    "malwareScanDetails", "resourceRole", "runtimeDetails", "serviceName", "userFeedback",
}  # fmt: skip
_OF_FINDING = {
    "accountId", "arn", "associatedAttackSequenceArn", "confidence", "createdAt",
    "customDetectionRuleName", "description", "id", "partition", "region", "resource", "resources",
    "schemaVersion", "service", "severity", "stateInSecurityHub", "title", "type", "updatedAt",
    "sample",
}  # fmt: skip


def _others(finding: Mapping[str, Any]) -> Iterator[Group]:
    service = field(finding, "service")
    yield group("Other details", all_of(service, skip=_OF_SERVICE))
    yield group("Other fields", all_of(finding, skip=_OF_FINDING))


def _of_finding(finding: Mapping[str, Any]) -> Group:
    return group(
        "Finding in GuardDuty",
        told(
            finding,
            {
                "ID": "id",
                "ARN": "arn",
                "Partition": "partition",
                "Kind of resource": "resource.resourceType",
                "Role of the resource": "service.resourceRole",
                "Feature": "service.featureName",
                "Detector": "service.detectorId",
                "Custom detection rule": "customDetectionRuleName",
                "Attack sequence": "associatedAttackSequenceArn",
                "Confidence": "confidence",
                "Feedback": "service.userFeedback",
                "Created": "createdAt",
                "Updated": "updatedAt",
                "Schema": "schemaVersion",
            },
        ),
        is_minor=True,
    )
