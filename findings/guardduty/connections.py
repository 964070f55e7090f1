"""Extracts the network connections and the domains that a finding names. Pure: no Django."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from findings.guardduty.lenient_json import (
    address_in,
    each,
    field,
    from_json,
    is_true,
    number_in,
    sequence,
    text_in,
)

CONNECTIONS_MAX = 500  # of one finding
DOMAIN_MAX_LENGTH = 253

# At least two labels. Underscores occur in names of DNS, though not in those of hosts.
_domain = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class Connection:
    """A network connection of an own resource. Missing values are "" or None."""

    direction: str = ""  # "INBOUND", "OUTBOUND", "" if unknown
    protocol: str = ""  # "TCP", "UDP", ...
    local_address: str = ""  # of the own resource, in canonical form
    local_port: int | None = None
    local_port_name: str = ""  # "SSH", ...
    remote_address: str = ""
    remote_port: int | None = None
    remote_port_name: str = ""
    is_blocked: bool = False  # GuardDuty says that the connection was blocked


def connections_in(finding: Mapping[str, Any]) -> tuple[Connection, ...]:
    """Returns each connection of the finding once, in order, at most CONNECTIONS_MAX."""
    found = dict.fromkeys(_connections(field(finding, "service")))
    found.pop(Connection(), None)
    return tuple(found)[:CONNECTIONS_MAX]


def _connections(service: Any) -> Iterator[Connection]:
    action = field(service, "action")
    for made in each(field(action, "networkConnectionAction")):
        direction = text_in(field(made, "connectionDirection"), 16).upper()
        yield _connection(made, direction if direction in {"INBOUND", "OUTBOUND"} else "")
    probe = field(action, "portProbeAction")
    for details in each(field(probe, "portProbeDetails")):
        yield _connection(details, "INBOUND", is_blocked=is_true(field(probe, "blocked")))
    for endpoint in sequence(service, "endpoints"):
        direction = text_in(field(endpoint, "connection", "direction"), 16).upper()
        if direction in {"INBOUND", "OUTBOUND"}:
            yield Connection(
                direction=direction,
                remote_address=address_in(field(endpoint, "ip")),
                remote_port=port_in(field(endpoint, "port")),
            )


def _connection(details: Any, direction: str, *, is_blocked: bool = False) -> Connection:
    return Connection(
        direction=direction,
        protocol=text_in(field(details, "protocol"), 32).upper(),
        local_address=_address(field(details, "localIpDetails")),
        local_port=port_in(field(details, "localPortDetails", "port")),
        local_port_name=_port_name(field(details, "localPortDetails", "portName")),
        remote_address=_address(field(details, "remoteIpDetails")),
        remote_port=port_in(field(details, "remotePortDetails", "port")),
        remote_port_name=_port_name(field(details, "remotePortDetails", "portName")),
        is_blocked=is_blocked or is_true(field(details, "blocked")),
    )


def _address(details: Any) -> str:
    return address_in(field(details, "ipAddressV4")) or address_in(field(details, "ipAddressV6"))


def port_in(value: Any) -> int | None:
    """Returns a port number from 0 to 65535, or None."""
    number = number_in(value)
    return int(number) if number is not None and 0 <= number <= 65535 else None


def _port_name(value: Any) -> str:
    name = text_in(value, 64)
    return "" if name.casefold() == "unknown" else name


def domains_in(finding: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns each domain that an own resource asked for or connected to, in canonical form."""
    service = field(finding, "service")
    info = field(service, "additionalInfo")
    said = [
        field(service, "action", "dnsRequestAction", "domain"),
        field(info, "domain"),
        field(from_json(field(info, "value")), "domain"),
        *(field(endpoint, "domain") for endpoint in sequence(service, "endpoints")),
    ]
    return tuple(dict.fromkeys(filter(None, map(domain_in, said))))


def domain_in(value: Any) -> str:
    """Returns a domain in lower case without the final dot, or "" if it is not one.

    A single label is not a domain: to block "com" would block too much. An address is not one.
    """
    name = text_in(value, 512).rstrip(".").lower()
    is_domain = len(name) <= DOMAIN_MAX_LENGTH and _domain.fullmatch(name)
    return name if is_domain and not address_in(name) else ""


def acting_instances_in(
    finding: Mapping[str, Any], *, resource_acted: bool, connections: tuple[Connection, ...]
) -> tuple[str, ...]:
    """Returns the IDs of the account's own instances that acted, or are compromised.

    They have the role of the actor, opened a connection to the outside, asked for a domain, or run
    the process that the finding describes.
    """
    service = field(finding, "service")
    acted = (
        resource_acted
        or any(one.direction == "OUTBOUND" for one in connections)
        or isinstance(field(service, "action", "dnsRequestAction"), Mapping)
        or isinstance(field(service, "runtimeDetails"), Mapping)
    )
    if not acted:
        return ()
    details = each(field(finding, "resource", "instanceDetails"))
    named = (text_in(field(one, "instanceId"), 64) for one in details)
    return tuple(dict.fromkeys(filter(None, named)))
