"""Converts GuardDuty findings from OCSF to GuardDuty's own format. Pure: no Django, no clock.

Security Hub ("Findings Imported V2") and Security Lake write a GuardDuty finding as a Detection
Finding of the Open Cybersecurity Schema Framework, class 2004.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from findings.guardduty.lenient_json import (
    address_in,
    each,
    field,
    from_json,
    number_in,
    text_in,
)
from findings.guardduty.security_hub import type_in, unflattened

_DETECTION_FINDING = 2004
_DEPTH = 8  # of a resource's data that is converted; deeper data is left out
# GuardDuty's number is not in OCSF, so the lowest of each level stands for it.
_SEVERITIES = {2: 1.0, 3: 4.0, 4: 7.0, 5: 9.0, 6: 9.0}
_SEVERITY_NAMES = {"low": 2, "medium": 3, "high": 4, "critical": 5, "fatal": 6}
_DIRECTIONS = {1: "INBOUND", 2: "OUTBOUND"}
_type = re.compile(r"[A-Za-z0-9 /]+:[A-Za-z0-9]+[/-].+")  # GuardDuty's, or Security Hub's form


def is_ocsf(document: Mapping[str, Any]) -> bool:
    """Returns whether the document is a Detection Finding of OCSF."""
    return number_in(document.get("class_uid")) == _DETECTION_FINDING and isinstance(
        document.get("finding_info"), Mapping
    )


def is_guardduty_in_ocsf(finding: Mapping[str, Any]) -> bool:
    """Returns whether an OCSF finding comes from GuardDuty; True if it names no product.

    AWS assigns the uid of a product, so another product cannot have one that ends as GuardDuty's.
    It can have any name, so the name counts only without a uid.
    """
    product = field(finding, "metadata", "product")
    if uid := text_in(field(product, "uid"), 512).casefold():
        return uid.endswith("/aws/guardduty")
    return text_in(field(product, "name"), 64).casefold() in {"", "guardduty", "amazon guardduty"}


def from_ocsf(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the OCSF finding in GuardDuty's format.

    What Security Lake keeps of Security Hub's ProductFields wins over the fields of OCSF.
    """
    info = field(finding, "finding_info")
    unmapped = field(finding, "unmapped")
    said = unflattened(unmapped).get("service")
    arn = field(info, "uid")
    evidences = list(each(field(finding, "evidences")))
    malware = list(each(field(finding, "malware")))
    resources = list(each(field(finding, "resources")))
    service = {
        "count": field(finding, "count"),
        "eventFirstSeen": _instant(info, "first_seen_time"),
        "eventLastSeen": _instant(info, "last_seen_time"),
        "resourceRole": _first(field(one, "data", "resource_role") for one in evidences),
        "action": _action(evidences),
        "runtimeDetails": _first(_runtime(one) for one in evidences),
        "malwareScanDetails": {"threats": list(_threats(malware))} if malware else None,
        "detection": _detection(finding, evidences),
    }
    return {
        "id": _id(arn, field(info, "uid_alt")),
        "arn": arn,
        "type": _finding_type(field(info, "types")),
        "accountId": field(finding, "cloud", "account", "uid"),
        "region": field(finding, "cloud", "region"),
        "partition": field(finding, "cloud", "cloud_partition"),
        "severity": _severity(finding),
        "title": field(info, "title"),
        "description": field(info, "desc"),
        "createdAt": _instant(info, "created_time"),
        "updatedAt": _instant(info, "modified_time"),
        "sample": field(unmapped, "sample"),
        "stateInSecurityHub": _state(finding),
        "service": service | said if isinstance(said, dict) else service,
        "resource": {
            "accessKeyDetails": [
                *(key for one in evidences for key in _actor(one)),
                *_access_keys([] if field(info, "related_events") else resources),
            ],
            "instanceDetails": [
                {"instanceId": _tail(field(one, "uid")), **_data(one)}
                for one in resources
                if _kind(one) == "ec2instance"
            ],
        },
        "resources": [
            {
                "resourceType": field(one, "type"),
                "uid": field(one, "uid"),
                "name": field(one, "name"),
                "details": _data(one),
                "tags": field(one, "tags"),
            }
            for one in resources
        ],
    }


def _first(values: Iterator[Any]) -> Any:
    return next((value for value in values if value), None)


def _id(arn: Any, short: Any) -> Any:
    """Returns GuardDuty's ID, so that the finding is the same one from every source."""
    if isinstance(arn, str) and "/finding/" in arn:
        return arn.rpartition("/finding/")[2]
    return short or arn


def _finding_type(types: Any) -> Any:
    """Returns GuardDuty's type among those of the finding, such as ["Threats", "Recon:EC2/..."]."""
    said = types if isinstance(types, list | tuple) else [types]
    found = next((one for one in said if isinstance(one, str) and _type.match(one)), None)
    return type_in([found]) if found else _first(iter(said))


def _instant(info: Any, name: str) -> Any:
    return field(info, f"{name}_dt") or field(info, name)


def _severity(finding: Mapping[str, Any]) -> float | None:
    level = number_in(field(finding, "severity_id"))
    name = text_in(field(finding, "severity"), 16).casefold()
    known = level if level in _SEVERITIES else _SEVERITY_NAMES.get(name)
    return _SEVERITIES.get(int(known)) if known is not None else None


def _state(finding: Mapping[str, Any]) -> Any:
    unmapped = field(finding, "unmapped")
    states = (
        field(finding, "status"),
        field(unmapped, "recordState"),
        field(unmapped, "workflowState"),
    )
    texts = (text_in(state, 32).upper() for state in states)
    return next((state for state in texts if state in {"ARCHIVED", "SUPPRESSED"}), None)


# Evidences


def _action(evidences: list[Mapping[str, Any]]) -> dict[str, Any]:
    calls, requests, connections = [], [], []
    for one in evidences:
        if isinstance(field(one, "api"), Mapping):
            calls.append(_call(one))
        elif isinstance(field(one, "query"), Mapping):
            requests.append(_dns_request(one))
        elif isinstance(field(one, "src_endpoint"), Mapping) or isinstance(
            field(one, "dst_endpoint"), Mapping
        ):
            connections.append(_connection(one))
    action: dict[str, Any] = {}
    for kind, name, found in (
        ("AWS_API_CALL", "awsApiCallAction", calls),
        ("DNS_REQUEST", "dnsRequestAction", requests),
        ("NETWORK_CONNECTION", "networkConnectionAction", connections),
    ):
        if found:
            action.setdefault("actionType", kind)
            action[name] = found[0] if len(found) == 1 or kind == "DNS_REQUEST" else found
    return action


def _call(evidence: Mapping[str, Any]) -> dict[str, Any]:
    api = field(evidence, "api")
    endpoint = field(evidence, "src_endpoint")
    return {
        "api": field(api, "operation"),
        "serviceName": field(api, "service", "name"),
        "errorCode": field(api, "response", "error"),
        "userAgent": field(evidence, "http_request", "user_agent") or field(endpoint, "svc_name"),
        "remoteIpDetails": _remote(endpoint),
        "domainDetails": {"domain": field(endpoint, "domain")},
        "affectedResources": field(evidence, "data", "affected_resource")
        or field(evidence, "data", "affected_resources"),
    }


def _dns_request(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "domain": field(evidence, "query", "hostname"),
        "protocol": field(evidence, "connection_info", "protocol_name"),
        "blocked": _is_blocked(evidence),
    }


def _connection(evidence: Mapping[str, Any]) -> dict[str, Any]:
    info = field(evidence, "connection_info")
    direction = text_in(field(info, "direction"), 16).upper() or _DIRECTIONS.get(
        field(info, "direction_id") if isinstance(field(info, "direction_id"), int) else 0, ""
    )
    acted = text_in(field(evidence, "data", "resource_role"), 16).upper() == "ACTOR"
    local, remote = field(evidence, "dst_endpoint"), field(evidence, "src_endpoint")
    if direction == "OUTBOUND" or (not direction and acted):
        local, remote = remote, local
    return {
        "connectionDirection": direction,
        "protocol": field(info, "protocol_name"),
        "blocked": _is_blocked(evidence),
        "localIpDetails": _ip(local),
        "localPortDetails": {"port": field(local, "port"), "portName": field(local, "svc_name")},
        "remoteIpDetails": _remote(remote),
        "remotePortDetails": {
            "port": field(remote, "port"),
            "portName": field(remote, "svc_name"),
        },
        "traffic": field(evidence, "traffic"),
    }


def _is_blocked(evidence: Mapping[str, Any]) -> Any:
    return field(evidence, "data", "blocked")


def _ip(endpoint: Any) -> dict[str, Any]:
    address = address_in(field(endpoint, "ip"))
    return {"ipAddressV6" if ":" in address else "ipAddressV4": address}


def _remote(endpoint: Any) -> dict[str, Any]:
    return {
        **_ip(endpoint),
        "country": {"countryName": field(endpoint, "location", "country")},
        "city": {"cityName": field(endpoint, "location", "city")},
        "organization": {
            "org": field(endpoint, "autonomous_system", "name"),
            "asn": field(endpoint, "autonomous_system", "number"),
        },
    }


def _runtime(evidence: Mapping[str, Any]) -> dict[str, Any] | None:
    process = field(evidence, "process")
    if not isinstance(process, Mapping):
        return None
    parents: list[dict[str, Any]] = []
    parent = field(process, "parent_process")
    while isinstance(parent, Mapping) and len(parents) < _DEPTH:
        parents.append(_process(parent))
        parent = field(parent, "parent_process")
    return {"process": {**_process(process), "lineage": parents}}


def _process(process: Any) -> dict[str, Any]:
    file = field(process, "file")
    return {
        "name": field(process, "name") or field(file, "name"),
        "executablePath": field(file, "path") or field(process, "path"),
        "executableSha256": _sha256(file),
        "commandLine": field(process, "cmd_line"),
        "pid": field(process, "pid"),
        "startTime": _instant(process, "created_time"),
        "uuid": field(process, "uid"),
        "user": field(process, "user", "name"),
        "userId": field(process, "user", "uid"),
        "pwd": field(process, "working_directory"),
    }


def _sha256(file: Any) -> Any:
    hashes = list(each(field(file, "hashes")))
    exact = (field(one, "value") for one in hashes if "256" in text_in(field(one, "algorithm"), 32))
    return next(exact, None) or _first(field(one, "value") for one in hashes)


def _threats(malware: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in malware:
        files = [*each(field(one, "files")), *each(field(one, "file"))]
        yield {
            "name": field(one, "name"),
            "count": field(one, "num_infected"),
            "source": field(one, "provider"),
            "severity": field(one, "severity"),
            "itemDetails": [
                {"itemPath": field(file, "path") or field(file, "name"), "hash": _sha256(file)}
                for file in files
            ]
            or [{"itemPath": field(one, "path")}],
        }


# An attack sequence, and its tactics and techniques


def _detection(
    finding: Mapping[str, Any], evidences: list[Mapping[str, Any]]
) -> dict[str, Any] | None:
    info = field(finding, "finding_info")
    signals = [
        {
            "uid": field(one, "uid"),
            "name": _finding_type(field(one, "type") or field(one, "types")),
            "title": field(one, "title"),
            "description": field(one, "desc"),
            "firstSeenAt": _instant(one, "first_seen_time"),
            "lastSeenAt": _instant(one, "last_seen_time"),
            "count": field(one, "count"),
            "severity": _severity(one),
            "signalIndicators": _indicators(one),
        }
        for one in each(field(info, "related_events"))
    ]
    indicators = _indicators(info)
    if not signals and not indicators:
        return None
    return {
        "sequence": {
            "signals": signals,
            "sequenceIndicators": indicators,
            "actors": [
                {"process": _process(process)}
                for process in (field(one, "actor", "process") for one in evidences)
                if isinstance(process, Mapping)
            ],
        }
    }


def _indicators(attacked: Any) -> list[dict[str, Any]]:
    attacks = list(each(field(attacked, "attacks")))
    tactics = [
        field(tactic, "name")
        for attack in attacks
        for tactic in (*each(field(attack, "tactic")), *each(field(attack, "tactics")))
    ]
    techniques = [
        " - ".join(
            filter(None, (text_in(field(attack, part, name), 128) for name in ("uid", "name")))
        )
        for attack in attacks
        for part in ("technique", "sub_technique")
    ]
    return [
        {"key": key, "values": list(dict.fromkeys(filter(None, values)))}
        for key, values in (
            ("ATTACK_TACTIC", [text_in(tactic, 64) for tactic in tactics]),
            ("ATTACK_TECHNIQUE", techniques),
        )
        if any(values)
    ]


# Actors and resources


def _actor(evidence: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    user = field(evidence, "actor", "user")
    if isinstance(user, Mapping):
        yield {
            "accessKeyId": field(user, "credential_uid"),
            "principalId": field(user, "uid"),
            "userName": field(user, "name"),
            "userType": field(user, "type"),
        }


def _access_keys(resources: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in resources:
        if _kind(one) not in {"iamaccesskey", "accesskey"}:
            continue
        data = _data(one)
        uid = text_in(field(one, "uid"), 512)
        details = data.get("awsIamAccessKey")
        data = details if isinstance(details, dict) else data
        yield {
            "accessKeyId": data.get("accessKeyId")
            or ("" if uid.startswith("arn:") else _tail(uid)),
            "principalId": data.get("principalId"),
            "userName": data.get("userName")
            or data.get("principalName")
            or field(one, "user", "name"),
            "userType": data.get("userType") or data.get("principalType"),
        }


def _kind(resource: Mapping[str, Any]) -> str:
    name = re.sub("[_: ]", "", text_in(field(resource, "type"), 64))
    return name.casefold().removeprefix("aws")


def _tail(uid: Any) -> str:
    return re.split("[:/]", text_in(uid, 512))[-1]


def _data(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a resource's data with keys in GuardDuty's spelling. Security Lake writes text."""
    data = field(resource, "data")
    converted = _camel(from_json(data) if isinstance(data, str) else data, depth=0)
    return converted if isinstance(converted, dict) else {}


def _camel(value: Any, *, depth: int) -> Any:
    if depth > _DEPTH:
        return None
    if isinstance(value, Mapping):
        return {
            _camel_name(key): _camel(inside, depth=depth + 1)
            for key, inside in value.items()
            if isinstance(key, str)
        }
    if isinstance(value, list | tuple):
        return [_camel(inside, depth=depth + 1) for inside in value]
    return value


def _camel_name(key: str) -> str:
    first, *others = key.split("_")
    return first[:1].lower() + first[1:] + "".join(one[:1].upper() + one[1:] for one in others)
