"""Safeguards, which prevent an action regardless of the policy."""

from __future__ import annotations

import ipaddress
import socket
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings

from findings.guardduty.parser import Kind, ParsedFinding

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def against_blocking(address: str, parsed: ParsedFinding, *, never: list[Network]) -> str:
    """Returns why this actor's address must not be blocked, or "".

    `address` is canonical and `never` comes from `never_block`.
    """
    if parsed.resource_acted:
        return "The account's own resource acted, so this is the address of its target."
    return against_any_block(address, own=parsed.own_addresses, never=never)


def against_any_block(address: str, *, own: frozenset[str], never: list[Network]) -> str:
    """Returns why this address must not be blocked, whatever the finding, or "".

    `own` are the addresses of the account's own resources.
    """
    if address in own:
        return "The address belongs to one of the account's own resources."
    number = ipaddress.ip_address(address)
    if _is_not_public(number):
        return "The address is private or reserved."
    inside = next((network for network in never if number in network), None)
    if inside:
        return f"The address is in {inside}, which is in NEVER_BLOCK."
    if address in _addresses_of_the_portal(settings.PORTAL_URL):
        return "The address belongs to the portal itself."
    return ""


def _is_not_public(number: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(number, ipaddress.IPv6Address):
        inside = number.sixtofour or (number.teredo[1] if number.teredo else None)
        if inside is not None:
            return _is_not_public(inside)
    return not number.is_global or number.is_multicast or number.is_reserved


def never_block() -> list[Network]:
    """Returns the networks of NEVER_BLOCK. Raises ValueError if one is invalid.

    A system check reports an invalid value at startup.
    """
    return [ipaddress.ip_network(cidr.strip(), strict=False) for cidr in settings.NEVER_BLOCK]


@cache  # for the lifetime of the process, so findings cannot trigger DNS look-ups
def _addresses_of_the_portal(url: str) -> frozenset[str]:
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return frozenset()  # it has no public DNS name
    return frozenset(str(address[0]) for *_, address in found)


def against_revoking(kind: str, name: str, parsed: ParsedFinding) -> str:
    """Returns why this actor's credential must not be revoked, or ""."""
    if parsed.principal_type.casefold() == "root" or (kind, name) == (Kind.USER, "Root"):
        return "It belongs to the root user, so it is only reported."
    if not settings.AWS_ACCOUNT_ID or parsed.account_id != settings.AWS_ACCOUNT_ID:
        return (
            f"It belongs to {parsed.account_id or 'an unknown account'}, but the portal acts only"
            f" in {settings.AWS_ACCOUNT_ID or 'its own, and AWS_ACCOUNT_ID is not set'}."
        )
    if kind == Kind.ROLE and name.startswith("AWSServiceRole"):
        return "AWS does not allow changes to a service-linked role."
    if kind == Kind.ACCESS_KEY and not name.startswith("AKIA"):
        return "A temporary key cannot be deactivated. Revoke the sessions of its role instead."
    return ""
