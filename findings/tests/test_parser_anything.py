"""The parser never raises for any input, and its results can be stored."""

from __future__ import annotations

import ipaddress
from dataclasses import fields
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from findings.guardduty import parser
from findings.guardduty.parser import ParsedFinding, Unparsed, parse, unwrap

text = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates too
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400)])
    | st.floats()
    | text
    | st.sampled_from(["198.51.100.7", "2001:db8::1", "true", "8", "2025-02-25T12:00:00Z"])
)
anything = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=12,
)
identities = text.filter(
    lambda said: said.replace("\0", "").strip() not in {"", "null", "None"}  # no text
)

_ip_details = {
    "ipAddressV4": None,
    "ipAddressV6": None,
    "city": {"cityName": None},
    "country": {"countryCode": None, "countryName": None},
    "organization": {"asnOrg": None, "isp": None, "org": None},
}
_call = {"userAgent": None, "remoteIpDetails": _ip_details, "sourceIPs": [None]}
# AWS's names, from GuardDuty's API reference. A list stands for any number of its item.
SHAPE: dict[str, Any] = {
    "accountId": None,
    "region": None,
    "severity": None,
    "title": None,
    "description": None,
    "resource": {
        "resourceType": None,
        "accessKeyDetails": dict.fromkeys(("accessKeyId", "principalId", "userName", "userType")),
        "s3BucketDetails": [
            {"arn": None, "name": None, "s3ObjectDetails": [{"key": None, "objectArn": None}]}
        ],
        "instanceDetails": {"instanceId": None, "networkInterfaces": [{"publicIp": None}]},
        "eksClusterDetails": {"name": None, "arn": None},
        "ecsClusterDetails": {"name": None, "arn": None, "taskDetails": {"arn": None}},
        "lambdaDetails": {"functionArn": None, "functionName": None},
        "rdsDbInstanceDetails": {"dbInstanceIdentifier": None, "dbClusterIdentifier": None},
        "rdsLimitlessDbDetails": {"dbShardGroupIdentifier": None},
        "rdsDbUserDetails": {"user": None},
        "kubernetesDetails": {
            "kubernetesUserDetails": {"username": None},
            "kubernetesWorkloadDetails": {
                "name": None,
                "namespace": None,
                "containers": [{"id": None, "name": None}],
            },
        },
        "ebsVolumeDetails": {"scannedVolumeDetails": [{"volumeArn": None, "snapshotArn": None}]},
    },
    "service": {
        "action": {
            "actionType": None,
            "awsApiCallAction": _call | {"affectedResources": {"AWS::S3::Bucket": None}},
            "networkConnectionAction": {
                "connectionDirection": None,
                "protocol": None,
                "blocked": None,
                "localPortDetails": {"port": None, "portName": None},
                "localIpDetails": _ip_details,
                "remoteIpDetails": _ip_details,
            },
            "dnsRequestAction": {"domain": None},
            "portProbeAction": {"portProbeDetails": [{"remoteIpDetails": _ip_details}]},
            "kubernetesApiCallAction": _call,
            "rdsLoginAttemptAction": {"remoteIpDetails": _ip_details},
        },
        "additionalInfo": {"sample": None, "value": None, "userAgent": {"fullUserAgent": None}},
        "count": None,
        "eventFirstSeen": None,
        "eventLastSeen": None,
        "resourceRole": None,
        "detection": {
            "sequence": {
                "actors": [
                    {
                        "user": dict.fromkeys(("name", "uid", "type", "credentialUid")),
                        "session": {"issuer": None},
                    }
                ],
                "resources": [dict.fromkeys(("uid", "name", "resourceType"))],
                "endpoints": [
                    {"ip": None, "location": {"city": None}, "autonomousSystem": {"name": None}}
                ],
                "signals": [{"activities": [{"api": {"userAgent": None}}]}],
            }
        },
    },
}
ASFF_SHAPE: dict[str, Any] = {
    "awsAccountId": None,
    "region": None,
    "types": [None],
    "severity": {"product": None, "normalized": None},
    "firstObservedAt": None,
    "productFields": {
        f"aws/guardduty/service/{path}": None
        for path in (
            "count",
            "action",
            "action/portProbeAction/portProbeDetails",
            "action/portProbeAction/portProbeDetails.0_/remoteIpDetails/ipAddressV4",
            "action/portProbeAction/portProbeDetails.1_",
        )
    },
    "resources": [{"type": None, "id": None, "details": {"awsIamAccessKey": {"userName": None}}}],
    "sample": None,
}


sixteenths = st.integers(0, 15)
lengths = st.integers(0, 3)
spellings = st.sampled_from(["", "camel", "camel", "pascal", "pascal"])


@st.composite
def shaped(draw: st.DrawFn, shape: Any) -> Any:
    """Generates the shape in either spelling, with any part missing, null or of another type."""
    return draw_shaped(draw, shape)  # to draw from strategies that are made once is much faster


def draw_shaped(draw: st.DrawFn, shape: Any) -> Any:
    if shape is None or draw(sixteenths) == 0:
        return draw(scalars if shape is None else anything)
    if isinstance(shape, list):
        return [draw_shaped(draw, shape[0]) for _ in range(draw(lengths))]
    said = {}
    for key, inside in shape.items():
        spelling = draw(spellings)
        if spelling:
            name = key if spelling == "camel" else key[:1].upper() + key[1:]
            said[name] = draw_shaped(draw, inside)
    return said


examples = settings(max_examples=250, deadline=None)


def assert_storable(understood: ParsedFinding) -> None:
    texts = [getattr(understood, part.name) for part in fields(understood)]
    texts += [entity.name for entity in understood.entities]
    for address in understood.addresses:
        assert str(ipaddress.ip_address(address.address)) == address.address
        texts += [address.country, address.city, address.organization]
    for said in texts:
        if isinstance(said, str):
            assert "\0" not in said.encode().decode()
            assert len(said) <= parser.DESCRIPTION_MAX_LENGTH
    assert understood.finding_id
    assert understood.finding_type
    assert understood.severity is None or 0 <= understood.severity <= 10
    assert 1 <= understood.count <= parser.COUNT_MAX
    for instant in (understood.first_seen_at, understood.last_seen_at):
        assert instant is None or instant.utcoffset() == timedelta(0)
    names = [(entity.kind, entity.name) for entity in understood.entities]
    assert len(set(names)) == len(names)
    assert all(name for _, name in names)


def assert_answered(document: Any) -> None:
    for found in unwrap(document):
        understood = found if isinstance(found, Unparsed) else parse(found)
        if isinstance(understood, Unparsed):
            assert understood.reason
        else:
            assert_storable(understood)


WRAPPERS = ["detail", "Detail", "Findings", "Records", "Sns", "Message", "body", "Messages", "Type"]


@examples
@given(document=anything, wrapper=st.sampled_from(WRAPPERS))
def test_any_json_value_is_answered(document: Any, wrapper: str) -> None:
    for whole in (
        document,
        {wrapper: document},
        [{wrapper: document, "detail-type": document}],
        {wrapper: document, "Message": document, "type": document},
    ):
        assert_answered(whole)
    assert isinstance(parse(document), Unparsed | ParsedFinding)


@examples
@given(said=shaped(SHAPE), identity=identities, finding_type=identities, is_pascal=st.booleans())
def test_a_finding_with_id_and_type_is_always_understood(
    said: Any, identity: str, finding_type: str, is_pascal: bool
) -> None:
    document = {} if not isinstance(said, dict) else said
    for key in ("id", "type", "Id", "Type"):
        document.pop(key, None)
    document |= {
        "Id" if is_pascal else "id": identity,
        "Type" if is_pascal else "type": finding_type,
    }
    (found,) = unwrap(document)
    assert found is document
    understood = parse(found)
    assert isinstance(understood, ParsedFinding)
    assert_storable(understood)


@examples
@given(said=shaped(ASFF_SHAPE), identity=identities)
def test_any_finding_of_security_hub_is_answered(said: Any, identity: str) -> None:
    assert_answered(
        {"productFields": {}, "id": identity} | (said if isinstance(said, dict) else {})
    )
