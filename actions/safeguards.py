"""Safeguards, which prevent an action regardless of the policy."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from functools import cache, lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from actions import members
from findings.guardduty.parser import PRINCIPAL_MAX_LENGTH, BucketUse, Kind, ParsedFinding

_DOMAINS_OF_AWS = ("amazonaws.com", "amazonaws.com.cn", "api.aws", "aws.amazon.com", "amazon.com")
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
    number, is_not_public = _judged(address)
    if is_not_public:
        return "The address is private or reserved."
    inside = next((network for network in never if number in network), None)
    if inside:
        return f"The address is in {inside}, which is in NEVER_BLOCK."
    if address in addresses_of_the_portal(settings.PORTAL_URL):
        return "The address belongs to the portal itself."
    return ""


@lru_cache(maxsize=4096)  # a batch of findings often repeats addresses
def _judged(address: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, bool]:
    number = ipaddress.ip_address(address)
    return number, _is_not_public(number)


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


def against_blocking_domain(domain: str) -> str:
    """Returns why this domain must not be blocked, or "". `domain` is in lower case."""
    portal = urlsplit(settings.PORTAL_URL).hostname or ""
    if _is_within(portal, domain) or _is_within(domain, portal):
        return "The domain belongs to the portal itself."
    for aws in _DOMAINS_OF_AWS:
        if _is_within(domain, aws):
            return f"The domain is in {aws}, in which AWS and its customers have many services."
    for never in settings.NEVER_BLOCK_DOMAINS:
        if _is_within(domain, never.strip().rstrip(".").lower()):
            return f"The domain is in {never.strip()}, which is in NEVER_BLOCK_DOMAINS."
    return ""


def _is_within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def against_isolating(parsed: ParsedFinding) -> str:
    """Returns why an instance of this finding must not be isolated, or ""."""
    return members.against_account(parsed.account_id)


@cache  # for the lifetime of the process, so findings cannot trigger DNS look-ups
def addresses_of_the_portal(url: str) -> frozenset[str]:
    """Returns the addresses of the host of a URL."""
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return frozenset()  # it has no public DNS name
    return frozenset(str(address[0]) for *_, address in found)


@cache
def addresses_of_this_machine() -> frozenset[str]:
    """Returns the addresses of this process's machine, as far as it knows them."""
    found = set()
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))  # sends nothing; it only selects the own address
            found.add(str(probe.getsockname()[0]))
    return frozenset(found)


def against_revoking(kind: str, name: str, parsed: ParsedFinding) -> str:
    """Returns why this actor's credential must not be revoked, or "".

    A credential is of the finding's account, in which it is revoked. The account in
    `remoteAccountDetails` is the one from which a stolen credential was used: it is neither a
    reason to refuse, nor an account in which to act. Only an attack sequence names actors of
    other accounts (`foreign_principals`).
    """
    if parsed.principal_type.casefold() == "root" or (kind, name) == (Kind.USER, "Root"):
        return "It belongs to the root user, so it is only reported."
    if refused := members.against_account(parsed.account_id):
        return refused
    if name in parsed.foreign_principals:
        return "It belongs to another account than the finding, so it is only reported."
    if kind == Kind.ROLE and name.startswith("AWSServiceRole"):
        return "AWS does not allow changes to a service-linked role."
    if kind == Kind.ROLE and name.startswith("AWSReservedSSO_"):
        return (
            "AWS does not allow changes to a role of IAM Identity Center. Disable the user there,"
            " or remove its assignment. Sessions that are open continue until they end, unless the"
            " inline policy of the permission set denies them by identitystore:UserId and"
            " aws:TokenIssueTime."
        )
    if is_federated(kind, name, parsed):
        return _against_federated(name, parsed)
    if kind == Kind.ACCESS_KEY and not name.startswith(("AKIA", "ASIA")):
        return "It is not the ID of an access key of AWS."
    if kind == Kind.ACCESS_KEY and not name.startswith("AKIA"):
        return (
            "A temporary key cannot be deactivated. Revoke the sessions of its role, or the user"
            " that issued it, instead."
        )
    return ""


_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):(?:user|role)/([!-~]*/)?([!-.0-~]+)")
_STRANGER = re.compile(r"account [0-9]{12} ((?:AIDA|AROA)[A-Z0-9]{5,124})")


def denied_by(principal: str) -> tuple[str, str | list[str]]:
    """Returns the condition key and its value by which a policy recognizes the principal.

    Several values are patterns. The ID of another account's role is followed by its session.
    """
    if stranger := _STRANGER.fullmatch(principal):
        return "aws:userid", [stranger[1], f"{stranger[1]}:*"]
    if "$" in principal:
        # The path of a user can be "/${aws:username}/", which a policy would replace. The pattern
        # matches no other principal: within an account, names are unique whatever the path.
        return "aws:PrincipalArn", [principal.replace("$", "?")]
    return "aws:PrincipalArn", principal


def against_denying(use: BucketUse, *, caller: str = "") -> str:
    """Returns why this principal must not be denied on a bucket, or "".

    `caller` is the ARN of the worker in the portal's own account, if it is known.
    """
    if _STRANGER.fullmatch(use.principal):
        return ""
    parsed = _PRINCIPAL.fullmatch(use.principal)
    if use.principal.endswith(":root"):
        return "It is the root user of an account, so it is only reported."
    if parsed is None:
        return (
            "A policy cannot name this actor: it is no IAM user or role, but perhaps an anonymous"
            " caller or an AWS service. Close the public access of the bucket, or revoke the"
            " credential."
        )
    if len(use.principal) >= PRINCIPAL_MAX_LENGTH:
        return "Its name is so long that it was cut, so a policy cannot name it."
    account_id, path, name = parsed[1], (parsed[2] or "").strip("/"), parsed[3]
    if name == members.ROLE:
        return "It is the role with which the portal contains findings."
    if path.startswith("aws-service-role/"):
        return "It is a service-linked role, with which only an AWS service can act."
    if account_id == settings.AWS_ACCOUNT_ID and caller:
        kind, *names = caller.rpartition(":")[2].split("/")
        ours = names[-1:] if kind == "user" else names[:1]  # a user has a path, a role a session
        # The roles of a stack have its path, and names that begin with it.
        if name in ours or (path and ours and ours[0].startswith(f"{path}-")):
            return "It is a role of the portal itself."
    return ""


def against_denying_actor(parsed: ParsedFinding) -> str:
    """Returns why the actor of this finding must not be denied on a bucket, or ""."""
    if parsed.federated:
        return (
            "The session of a federated user acted. The principal is the user that issued it, whose"
            " denial would not stop the session. Revoke that user."
        )
    return ""


def _against_federated(name: str, parsed: ParsedFinding) -> str:
    types = {one.principal_type for one in parsed.federated if one.name == name}
    if not types.isdisjoint({"identitycenteruser", "directory"}):
        return (
            "It is a user of IAM Identity Center or of a directory, not of this account. Disable it"
            " there, and revoke the role whose session it uses."
        )
    if not temporary_keys(name, parsed):
        return (
            "It is a federated user, and the finding names no temporary key by which CloudTrail"
            " would show the IAM user or role that issued its session. Find the call of"
            " GetFederationToken in CloudTrail, and revoke that user."
        )
    return ""


def is_federated(kind: str, name: str, parsed: ParsedFinding) -> bool:
    """Returns whether this actor of the finding is a user, and not an IAM user."""
    return kind == Kind.USER and any(one.name == name for one in parsed.federated)


def temporary_keys(name: str, parsed: ParsedFinding) -> list[str]:
    """Returns the temporary access keys with which this federated user acted."""
    keys = [one.access_key for one in parsed.federated if one.name == name]
    return [key for key in keys if key.startswith("ASIA")]
