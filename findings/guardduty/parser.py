"""Parses GuardDuty findings in all their formats. Pure: no Django, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self

from findings.guardduty.connections import (
    Connection,
    acting_instances_in,
    connections_in,
    domains_in,
)
from findings.guardduty.entities import (
    ENTITY_NAME_MAX_LENGTH,
    PRINCIPAL_MAX_LENGTH,
    PRINCIPAL_TYPE_MAX_LENGTH,
    Entity,
    Federated,
    Kind,
    entities_in,
    federated_in,
    foreign_principals,
    principal_in,
    resource_acted,
)
from findings.guardduty.envelopes import Unparsed, unwrap
from findings.guardduty.lenient_json import (
    address_in,
    each,
    field,
    first_in,
    from_json,
    instant_in,
    is_true,
    number_in,
    sequence,
    text_in,
)
from findings.guardduty.ocsf import from_ocsf, is_guardduty_in_ocsf, is_ocsf
from findings.guardduty.security_hub import from_security_hub, is_guardduty, is_security_hub

__all__ = [
    "ENTITY_NAME_MAX_LENGTH",
    "PRINCIPAL_MAX_LENGTH",
    "PRINCIPAL_TYPE_MAX_LENGTH",
    "Address",
    "BucketUse",
    "Connection",
    "Entity",
    "Kind",
    "ParsedFinding",
    "Unparsed",
    "in_guardduty_format",
    "parse",
    "unwrap",
]

# Longer text is cut: an attacker can write some of it, and database columns are limited.
ACCOUNT_ID_MAX_LENGTH = 32  # 12 digits, or a mask
REGION_MAX_LENGTH = 32
FINDING_ID_MAX_LENGTH = 300  # the maximum in GuardDuty's API
FINDING_TYPE_MAX_LENGTH = 100  # as in findings.catalogue, which needs Django
TITLE_MAX_LENGTH = 256
DESCRIPTION_MAX_LENGTH = 4096
ACTION_TYPE_MAX_LENGTH = 64
PLACE_MAX_LENGTH = 128
ORGANIZATION_MAX_LENGTH = 256
USER_AGENT_MAX_LENGTH = 1024
COUNT_MAX = 2**31 - 1  # the maximum of an integer column


@dataclass(frozen=True, slots=True)
class Address:
    """The address and location of an actor. Missing values are ""."""

    address: str  # IPv4 or IPv6 in canonical form
    country: str = ""
    city: str = ""
    organization: str = ""


class BucketUse(NamedTuple):
    """What a principal does on a bucket, in a finding of our own detectors."""

    bucket: str
    principal: str  # as docs/findings.md says: an ARN, "account ...", ...

    @classmethod
    def of(cls, said: str) -> Self:
        """Returns what `str` has written."""
        bucket, _, principal = said.partition(" ")
        return cls(bucket, principal)

    def __str__(self) -> str:
        return f"{self.bucket} {self.principal}"


@dataclass(frozen=True, slots=True)
class ParsedFinding:
    """The content of a finding. Missing values are "", None or empty; nothing is guessed."""

    account_id: str
    region: str
    finding_id: str
    finding_type: str
    severity: float | None  # GuardDuty's number, 1.0 to 10.0
    title: str
    description: str
    count: int  # how many times it was observed; 1 if missing
    first_seen_at: datetime | None  # aware
    last_seen_at: datetime | None
    action_type: str  # "NETWORK_CONNECTION", ...
    addresses: tuple[Address, ...]
    own_addresses: frozenset[str]  # canonical addresses of the account's own resources
    resource_acted: bool  # the account's own resource acted, so `addresses` are its targets
    connections: tuple[Connection, ...]  # direction, protocol, addresses and ports
    domains: tuple[str, ...]  # that own resources asked for, in lower case
    acting_instances: tuple[str, ...]  # IDs of own instances that acted or are compromised
    entities: tuple[Entity, ...]
    user_agent: str
    principal: str  # the principal that acted: a user name, a role, "Root", ...
    principal_type: str  # "IAMUser", "AssumedRole", "Root", ...
    foreign_principals: frozenset[str]  # names of actors of another account
    federated: tuple[Federated, ...]  # users that acted and are not IAM users
    bucket_uses: tuple[BucketUse, ...]
    is_sample: bool
    set_aside: str  # why GuardDuty or Security Hub set it aside, as a sentence; "" if they did not


def parse(finding: Mapping[str, Any]) -> ParsedFinding | Unparsed:
    """Returns the parsed finding, or Unparsed with the reason. Never raises.

    Accepts findings in the formats of GuardDuty, of Security Hub (ASFF) and of OCSF.
    """
    converted = in_guardduty_format(finding)
    return converted if isinstance(converted, Unparsed) else _parse(converted)


def in_guardduty_format(finding: Any) -> Mapping[str, Any] | Unparsed:
    """Returns the finding in GuardDuty's own format, or Unparsed with the reason. Never raises."""
    if not isinstance(finding, Mapping):
        return Unparsed("It is not an object.")
    if is_ocsf(finding):
        if not is_guardduty_in_ocsf(finding):
            return Unparsed("It is a finding of another product in OCSF.")
        return from_ocsf(finding)
    if is_security_hub(finding):
        if not is_guardduty(finding):
            return Unparsed("It is a finding of another product in Security Hub.")
        return from_security_hub(finding)
    return finding


def _parse(finding: Mapping[str, Any]) -> ParsedFinding | Unparsed:
    finding_id = text_in(field(finding, "id"), FINDING_ID_MAX_LENGTH)
    finding_type = text_in(field(finding, "type"), FINDING_TYPE_MAX_LENGTH)
    missing = [name for name, said in (("id", finding_id), ("type", finding_type)) if not said]
    if missing:
        return Unparsed(f"It has no {' and no '.join(missing)}.")
    service = field(finding, "service")
    addresses = tuple(_addresses(service))
    domains = domains_in(finding)
    connections = connections_in(finding)
    acted = resource_acted(finding)
    principal, principal_type = principal_in(finding)
    account_id = _account_id(field(finding, "accountId"))
    return ParsedFinding(
        account_id=account_id,
        region=text_in(field(finding, "region"), REGION_MAX_LENGTH),
        finding_id=finding_id,
        finding_type=finding_type,
        severity=_severity(field(finding, "severity")),
        title=text_in(field(finding, "title"), TITLE_MAX_LENGTH),
        description=text_in(field(finding, "description"), DESCRIPTION_MAX_LENGTH),
        count=_count(field(service, "count")),
        first_seen_at=instant_in(field(service, "eventFirstSeen")),
        last_seen_at=instant_in(field(service, "eventLastSeen")),
        action_type=text_in(field(service, "action", "actionType"), ACTION_TYPE_MAX_LENGTH),
        addresses=addresses,
        own_addresses=frozenset(filter(None, _own_addresses(finding))),
        resource_acted=acted,
        connections=connections,
        domains=domains,
        acting_instances=acting_instances_in(
            finding, resource_acted=acted, connections=connections
        ),
        entities=entities_in(finding, (address.address for address in addresses), domains),
        user_agent=_user_agent(service),
        principal=principal,
        principal_type=principal_type,
        foreign_principals=frozenset(foreign_principals(finding, account_id)) - {""},
        federated=tuple(federated_in(finding)),
        bucket_uses=tuple(_bucket_uses(finding, finding_type)),
        is_sample=_is_sample(finding),
        set_aside=_set_aside(finding),
    )


def _bucket_uses(finding: Mapping[str, Any], finding_type: str) -> Iterator[BucketUse]:
    if not finding_type.startswith("ThreatReaction:"):
        return
    principal = text_in(field(finding, "service", "detector", "principal"), PRINCIPAL_MAX_LENGTH)
    for details in each(field(finding, "resource", "s3BucketDetails")):
        bucket = text_in(field(details, "name"), 63)
        if bucket and principal:
            yield BucketUse(bucket, principal)


# Numbers


def _account_id(value: Any) -> str:
    if isinstance(value, int) and 10**11 <= value < 10**12:
        return str(value)  # a shorter number has lost its leading zeros and is ambiguous
    return text_in(value, ACCOUNT_ID_MAX_LENGTH)


def _severity(value: Any) -> float | None:
    number = number_in(value)
    return abs(float(number)) if number is not None and 0 <= number <= 10 else None  # no -0.0


def _count(value: Any) -> int:
    number = number_in(value)
    if number is None or not 1 <= number < float("inf"):  # excludes NaN too
        return 1
    if number >= COUNT_MAX:
        return COUNT_MAX
    return int(number) if number == int(number) else 1


# Addresses of the actors

_REMOTE = (
    "networkConnectionAction",
    "awsApiCallAction",
    "kubernetesApiCallAction",
    "rdsLoginAttemptAction",
)


def _addresses(service: Any) -> Iterator[Address]:
    """Yields each address once, with the first location that the finding gives for it."""
    seen = set()
    for address in _said_addresses(service):
        if address.address and address.address not in seen:
            seen.add(address.address)
            yield address


def _said_addresses(service: Any) -> Iterator[Address]:
    action = field(service, "action")
    remotes = [
        field(made, "remoteIpDetails") for name in _REMOTE for made in each(field(action, name))
    ]
    for probe in each(field(action, "portProbeAction", "portProbeDetails")):
        remotes.append(field(probe, "remoteIpDetails"))
    for remote in remotes:
        for details in each(remote):
            for name in ("ipAddressV4", "ipAddressV6"):
                address = address_in(field(details, name))
                if not address:
                    continue
                yield Address(
                    address,
                    country=first_in(
                        details,
                        ("country", "countryName"),
                        ("country", "countryCode"),
                        limit=PLACE_MAX_LENGTH,
                    ),
                    city=first_in(details, ("city", "cityName"), limit=PLACE_MAX_LENGTH),
                    organization=first_in(
                        details,
                        ("organization", "org"),
                        ("organization", "asnOrg"),
                        limit=ORGANIZATION_MAX_LENGTH,
                    ),
                )
    caller = field(action, "kubernetesApiCallAction")
    sources = field(caller, "sourceIPs") or field(caller, "sourceIps")
    # The list holds the caller and its proxies, so only a single entry is certainly the caller.
    if (
        field(caller, "remoteIpDetails") is None
        and isinstance(sources, list | tuple)
        and len(sources) == 1
    ):
        yield Address(address_in(sources[0]))
    for endpoint in sequence(service, "endpoints"):
        yield Address(
            address_in(field(endpoint, "ip")),
            country=first_in(endpoint, ("location", "country"), limit=PLACE_MAX_LENGTH),
            city=first_in(endpoint, ("location", "city"), limit=PLACE_MAX_LENGTH),
            organization=first_in(
                endpoint, ("autonomousSystem", "name"), limit=ORGANIZATION_MAX_LENGTH
            ),
        )


def _own_addresses(finding: Mapping[str, Any]) -> Iterator[str]:
    for details in each(field(finding, "resource", "instanceDetails")):
        for interface in each(field(details, "networkInterfaces")):
            yield address_in(field(interface, "publicIp"))
            yield address_in(field(interface, "privateIpAddress"))
            for private in each(field(interface, "privateIpAddresses")):
                yield address_in(field(private, "privateIpAddress"))
            ipv6 = field(interface, "ipv6Addresses")
            yield from map(address_in, ipv6 if isinstance(ipv6, list | tuple) else ())
    action = field(finding, "service", "action")
    places = [made for name in _REMOTE for made in each(field(action, name))]
    for place in (*places, *each(field(action, "portProbeAction", "portProbeDetails"))):
        for name in ("ipAddressV4", "ipAddressV6"):
            yield address_in(field(place, "localIpDetails", name))


def _user_agent(service: Any) -> str:
    action = field(service, "action")
    info = field(service, "additionalInfo")
    said = [
        field(action, "awsApiCallAction", "userAgent"),
        field(action, "kubernetesApiCallAction", "userAgent"),
        field(info, "userAgent", "fullUserAgent"),
        field(from_json(field(info, "value")), "userAgent", "fullUserAgent"),
    ]
    for signal in sequence(service, "signals"):
        said += [field(did, "api", "userAgent") for did in each(field(signal, "activities"))]
    return next(filter(None, (text_in(agent, USER_AGENT_MAX_LENGTH) for agent in said)), "")


def _is_sample(finding: Mapping[str, Any]) -> bool:
    info = field(finding, "service", "additionalInfo")
    inside = from_json(field(info, "value"))
    return any(is_true(field(place, "sample")) for place in (finding, info, inside))


def _set_aside(finding: Mapping[str, Any]) -> str:
    """Returns why the finding is set aside. `from_security_hub` adds the state of Security Hub."""
    if is_true(field(finding, "service", "archived")):
        return "The finding is archived in GuardDuty."
    state = text_in(field(finding, "stateInSecurityHub"), 32).casefold()
    if state in {"archived", "suppressed"}:
        return f"The finding is {state} in Security Hub."
    return ""
