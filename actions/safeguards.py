"""What must not be done, whatever the policy says. Each answers with the reason, or ""."""

from __future__ import annotations

import ipaddress
import socket
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings

from findings.guardduty.parser import Kind, ParsedFinding

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def against_blocking(address: str, parsed: ParsedFinding, *, never: list[Network]) -> str:
    """Why this address of an actor is left alone. `never` is what `never_block` reads."""
    if parsed.resource_acted:
        return "The account's own resource acted: this is the address of its target."
    if address in parsed.own_addresses:
        return "The finding names it as an address of the account's own resource."
    number = ipaddress.ip_address(address)
    if _is_not_public(number):
        return "The address is private or reserved."
    inside = next((network for network in never if number in network), None)
    if inside:
        return f"The address is in {inside}, which NEVER_BLOCK names."
    if address in _addresses_of_the_portal(settings.PORTAL_URL):
        return "It is the portal's own address."
    return ""


def _is_not_public(number: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(number, ipaddress.IPv6Address):
        inside = number.sixtofour or (number.teredo[1] if number.teredo else None)
        if inside is not None:
            return _is_not_public(inside)
    return not number.is_global or number.is_multicast or number.is_reserved


def never_block() -> list[Network]:
    """NEVER_BLOCK, read. Raises ValueError; actions.checks has told it before."""
    return [ipaddress.ip_network(cidr.strip(), strict=False) for cidr in settings.NEVER_BLOCK]


@cache  # for as long as the process lives: an attacker gets no look-up for each finding
def _addresses_of_the_portal(url: str) -> frozenset[str]:
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return frozenset()  # it has no public name
    return frozenset(str(address[0]) for *_, address in found)


def against_revoking(kind: str, name: str, parsed: ParsedFinding) -> str:
    """Why this credential of an actor is left alone."""
    if parsed.principal_type.casefold() == "root" or (kind, name) == (Kind.USER, "Root"):
        return "It is the root user's, which is only reported."
    if not settings.AWS_ACCOUNT_ID or parsed.account_id != settings.AWS_ACCOUNT_ID:
        return (
            f"It belongs to the account {parsed.account_id or 'that the finding does not name'},"
            f" and the portal acts in {settings.AWS_ACCOUNT_ID or 'none: AWS_ACCOUNT_ID is empty'}."
        )
    if kind == Kind.ROLE and name.startswith("AWSServiceRole"):
        return "AWS lets nobody change a service-linked role."
    if kind == Kind.ACCESS_KEY and not name.startswith("AKIA"):
        return "A temporary key cannot be made inactive; its role's sessions can be revoked."
    return ""
