"""The paths on which the portal stops traffic, and which traffic each of them stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from findings.guardduty.parser import Connection, Kind, ParsedFinding


@dataclass(frozen=True, slots=True)
class Path:
    """One path. It is used if its setting is set."""

    name: str
    setting: str
    kind: Kind  # of the targets that it stops
    effect: str  # what it does, as a sentence

    @property
    def is_set_up(self) -> bool:
        """Whether the setting is set."""
        value = getattr(settings, self.setting)
        return value == "on" if self.kind in {Kind.INSTANCE, Kind.BUCKET} else bool(value)


IP_SETS = Path(
    "WAF IP sets",
    "BLOCK_IP_SETS",
    Kind.ADDRESS,
    "web ACLs that use them block HTTP requests. Other traffic, such as SSH, does not pass through"
    " a web ACL and is not blocked.",
)
PREFIX_LISTS = Path(
    "Prefix lists",
    "BLOCK_PREFIX_LISTS",
    Kind.ADDRESS,
    "the firewall rules that refer to them stop all its traffic.",
)
DOMAIN_LISTS = Path(
    "DNS Firewall domain lists",
    "BLOCK_DOMAIN_LISTS",
    Kind.DOMAIN,
    "Route 53 Resolver no longer resolves it in VPCs whose rules refer to them.",
)
ISOLATION = Path(
    "Isolation of instances",
    "ISOLATION",
    Kind.INSTANCE,
    "the quarantine security group replaces the groups of all its network interfaces.",
)
BUCKET_POLICIES = Path(
    "Bucket policies",
    "BUCKET_POLICIES",
    Kind.BUCKET,
    "a statement denies the principal of a finding of the portal's own detectors everything on the"
    " bucket.",
)
PATHS = (IP_SETS, PREFIX_LISTS, DOMAIN_LISTS, ISOLATION, BUCKET_POLICIES)

NO_PATH = "No path for"  # how an outcome begins if nothing that is set up stops the traffic
WEB_PORTS = frozenset({80, 443, 8080, 8443})
# Attacks that name no port, by a part of their finding type.
_PROTOCOLS = {
    "SSHBruteForce": "SSH",
    "RDPBruteForce": "RDP",
    "WinRMBruteForce": "WinRM",
    "Portscan": "port scans",
    "TorRelay": "Tor",
}
_PORTS = {22: "SSH", 3389: "RDP", 5985: "WinRM", 5986: "WinRM", 53: "DNS"}
# Traffic that passes through no network of the account, by GuardDuty's type of action.
_ELSEWHERE = {
    "AWS_API_CALL": (
        "calls to AWS APIs, which do not pass through your network. Revoke the credential"
    ),
    "KUBERNETES_API_CALL": (
        "calls to the Kubernetes API, whose endpoint AWS runs. Limit the public access of the"
        " cluster, or revoke the credential"
    ),
}


def none_for(kind: Kind, traffic: str = "") -> str:
    """Returns that no path is set up for targets of this kind, and how to set one up."""
    if kind == Kind.INSTANCE:
        return f"{NO_PATH} this instance: set {ISOLATION.setting} to on."
    if kind == Kind.BUCKET:
        return f"{NO_PATH} this use of a bucket: set {BUCKET_POLICIES.setting} to on."
    needed = " or ".join(path.setting for path in PATHS if path.kind == kind)
    return f"{NO_PATH} {traffic or f'this {kind.value}'}: set up {needed}."


def against_address(address: str, parsed: ParsedFinding) -> str:
    """Returns why no path stops the traffic of this actor, or "".

    A web ACL stops HTTP only. Prefix lists stop everything.
    """
    if elsewhere := _ELSEWHERE.get(parsed.action_type):
        return f"{NO_PATH} {elsewhere}."
    if PREFIX_LISTS.is_set_up:
        return ""
    traffic = dict.fromkeys(_traffic(address, parsed))
    other = [name for name in traffic if name]
    if IP_SETS.is_set_up and not other:
        return ""
    if not IP_SETS.is_set_up:
        return none_for(Kind.ADDRESS, ", ".join(other) or "HTTP")
    return (
        f"{NO_PATH} {', '.join(other)}: a web ACL stops HTTP only. Set up {PREFIX_LISTS.setting}."
    )


def _traffic(address: str, parsed: ParsedFinding) -> Iterator[str]:
    """Yields the name of each kind of traffic; "" for HTTP."""
    made = [one for one in parsed.connections if one.remote_address == address]
    if not made:
        named = (name for part, name in _PROTOCOLS.items() if part in parsed.finding_type)
        yield next(named, "traffic whose port the finding does not name")
    for connection in made:
        yield _traffic_of(connection, parsed.finding_type)


def _traffic_of(connection: Connection, finding_type: str) -> str:
    if connection.direction == "OUTBOUND":
        return "outbound connections"
    port = connection.local_port
    if port is None:
        named = (name for part, name in _PROTOCOLS.items() if part in finding_type)
        return next(named, "traffic whose port the finding does not name")
    if port in WEB_PORTS:
        return ""
    return _PORTS.get(port) or connection.local_port_name or f"port {port}"
