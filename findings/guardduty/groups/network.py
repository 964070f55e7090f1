"""Groups the facts about connections, DNS requests and where the addresses are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from findings.guardduty.connections import Connection, connections_in, domain_in
from findings.guardduty.entities import Kind
from findings.guardduty.facts import Fact, Group, all_of, fact, group, text_of, told, words_of
from findings.guardduty.lenient_json import additional, address_in, each, field


def groups(finding: Mapping[str, Any]) -> Iterator[Group]:
    """Yields the connections and the DNS request of a finding."""
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
    for info in additional(service):
        for key, value in info.items():
            if isinstance(key, str) and "bytes" in key.casefold():
                yield from all_of(value, label=words_of(key))


def origins(action: Any) -> Iterator[Fact]:
    """Yields the place and the network of each remote address."""
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
