"""BLOCK and UNBLOCK of domains in the DNS Firewall domain lists of BLOCK_DOMAIN_LISTS."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from actions.aws.outcome import CONFIG, ContainmentError, Difference, Mended, failure

AT_ONCE = 1000  # domains that AWS adds or removes in one request

_ARN = re.compile(
    r"arn:aws[a-z-]*:route53resolver:(?P<region>[a-z0-9-]+):[0-9]{12}:firewall-domain-list/"
    r"(?P<id>rslvr-fdl-[0-9a-z]{1,32})",
    re.ASCII,
)


class DomainList(NamedTuple):
    """A domain list, from its ARN."""

    region: str
    id: str


def configured() -> list[DomainList]:
    """Returns the lists of BLOCK_DOMAIN_LISTS. Raises ValueError with the first invalid ARN."""
    found = []
    for arn in settings.BLOCK_DOMAIN_LISTS:
        match = _ARN.fullmatch(arn.strip())
        if match is None:
            raise ValueError(arn)
        found.append(DomainList(match["region"], match["id"]))
    return found


def apply(
    session: boto3.Session, *, blocked: Collection[str], unblocked: Collection[str]
) -> dict[str, ContainmentError]:
    """Blocks and unblocks domains in every list. Returns those that failed, with the reasons."""
    left_out: dict[str, ContainmentError] = {}
    for domain_list in configured():
        resolver = session.client("route53resolver", region_name=domain_list.region, config=CONFIG)
        try:
            present = _read(resolver, domain_list)
            _change(resolver, domain_list, "REMOVE", sorted(present.intersection(unblocked)))
            left_out |= _add(resolver, domain_list, sorted(set(blocked) - present))
        except (BotoCoreError, ClientError) as error:
            left_out |= dict.fromkeys([*blocked, *unblocked], failure(error))
    return left_out


def mend(session: boto3.Session, compared: Callable[[Collection[str]], Difference]) -> Mended:
    """Makes each list hold what the log says. See `outcome.Mend`.

    AWS has no lock for a list. What another worker changes at the same time, the next round mends.
    """
    mended = Mended()
    for domain_list in configured():
        resolver = session.client("route53resolver", region_name=domain_list.region, config=CONFIG)
        try:
            missing, surplus = compared(_read(resolver, domain_list))
            _change(resolver, domain_list, "REMOVE", sorted(surplus))
            mended.taken_out.update(surplus)
            refused = _add(resolver, domain_list, sorted(missing))
            mended.put_back.update(set(missing) - refused.keys())
            mended.problems += [f"{domain_list.id}: {why}" for why in refused.values()]
        except (BotoCoreError, ClientError) as error:
            mended.problems.append(f"{domain_list.id}: {failure(error)}")
    return mended


def _read(resolver: Any, domain_list: DomainList) -> set[str]:
    asked = {"FirewallDomainListId": domain_list.id, "MaxResults": 5000}
    found: set[str] = set()
    while True:
        answer = resolver.list_firewall_domains(**asked)
        found.update(one.rstrip(".").lower() for one in answer["Domains"])
        if "NextToken" not in answer:
            return found
        asked["NextToken"] = answer["NextToken"]


def _add(
    resolver: Any, domain_list: DomainList, domains: Sequence[str]
) -> dict[str, ContainmentError]:
    """Adds domains. Returns those that AWS refuses, with the reasons.

    AWS refuses a request with a name that it does not allow, such as one with an underscore. An
    attacker can ask for such a name, which must not keep out the other domains.
    """
    try:
        _change(resolver, domain_list, "ADD", domains)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        if len(domains) == 1:
            return {domains[0]: ContainmentError(str(failure(error)), permanent=True)}
        half = len(domains) // 2
        return _add(resolver, domain_list, domains[:half]) | _add(
            resolver, domain_list, domains[half:]
        )
    return {}


def _change(resolver: Any, domain_list: DomainList, operation: str, domains: Sequence[str]) -> None:
    for start in range(0, len(domains), AT_ONCE):
        resolver.update_firewall_domains(
            FirewallDomainListId=domain_list.id,
            Operation=operation,
            Domains=domains[start : start + AT_ONCE],
        )
