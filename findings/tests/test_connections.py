"""The parser tells connections, the domains that were asked for, and instances that acted."""

from __future__ import annotations

from typing import Any

import pytest

from findings.guardduty.parser import Connection, Kind
from findings.tests.parsed import actor, finding, load, only, pascal

INSTANCE = {"instanceDetails": {"instanceId": "i-1"}}


def test_a_connection_has_direction_protocol_addresses_and_ports() -> None:
    brute_force = only(load("UnauthorizedAccess-EC2-SSHBruteForce.json"))
    assert brute_force.connections == (
        Connection(
            direction="INBOUND",
            protocol="TCP",
            local_address="10.0.0.23",
            local_port=22,
            local_port_name="SSH",
            remote_address="198.51.100.0",
            remote_port=32794,
        ),
    )
    assert brute_force.acting_instances == ()
    tor = only(load("UnauthorizedAccess-EC2-TorClient.json"))
    assert (tor.connections[0].direction, tor.connections[0].remote_port) == ("OUTBOUND", 80)
    assert tor.acting_instances == ("i-99999999",)


def test_each_probe_and_each_endpoint_is_a_connection() -> None:
    probes = only(load("Recon-EC2-PortProbeUnprotectedPort.json")).connections
    assert {(one.direction, one.local_port, one.remote_address) for one in probes} >= {
        ("INBOUND", 22, "198.51.100.2"),
        ("INBOUND", 3306, "198.51.100.3"),
    }
    sequence = {
        "endpoints": [
            {"ip": "203.0.113.5", "port": "4040", "connection": {"direction": "OUTBOUND"}},
            {"ip": "203.0.113.6", "port": 70000},
        ]
    }
    assert only(finding(service={"detection": {"sequence": sequence}})).connections == (
        Connection(direction="OUTBOUND", remote_address="203.0.113.5", remote_port=4040),
    )


@pytest.mark.parametrize(
    ("said", "domain"),
    [
        ("Pool.Example.COM.", "pool.example.com"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("com", ""),
        ("198.51.100.7", ""),
        ("*.example.com", ""),
        ("example.com/path", ""),
        ("a" * 64 + ".com", ""),
        ("a." * 130 + "com", ""),
        ("null", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_domain_that_was_asked_for_is_an_actor(said: Any, domain: str) -> None:
    action = {"actionType": "DNS_REQUEST", "dnsRequestAction": {"domain": said}}
    for spell in (dict, pascal):
        understood = only(spell(finding(resource=INSTANCE, service={"action": action})))
        assert understood.domains == ((domain,) if domain else ())
        assert understood.acting_instances == ("i-1",)
        assert (actor(Kind.DOMAIN, domain) in understood.entities) is bool(domain)


@pytest.mark.parametrize(
    "service",
    [
        {"resourceRole": "ACTOR"},
        {"action": {"networkConnectionAction": {"connectionDirection": "outbound"}}},
        {"runtimeDetails": {"process": {"name": "xmrig"}}},
    ],
)
def test_an_instance_that_acts_or_runs_the_process_is_told(service: Any) -> None:
    assert only(finding(resource=INSTANCE, service=service)).acting_instances == ("i-1",)


def test_a_finding_that_guardduty_archived_says_so() -> None:
    archived = only(finding(service={"archived": True}))
    assert archived.set_aside == "The finding is archived in GuardDuty."
