"""The DNS Firewall domain lists of BLOCK_DOMAIN_LISTS. Each list has all domains.

AWS has no lock for a list. What another worker changes at the same time, `mend` corrects later.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from actions.aws.lists import Content, Lists, ListsFull, Ref
from actions.aws.outcome import ContainmentError, failure
from findings.guardduty.parser import Kind

CAPACITY = 100_000  # domains in all lists of an account in a region, AWS's default quota
AT_ONCE = 1000  # domains that AWS adds or removes in one request

_allowed = re.compile(r"[a-z0-9.-]+")
_NOT_ALLOWED = "DNS Firewall does not allow this name: only letters, digits, hyphens and dots."


class DomainLists(Lists):
    """Domain lists of Route 53 Resolver DNS Firewall."""

    setting = "BLOCK_DOMAIN_LISTS"
    service = "route53resolver"
    kind = Kind.DOMAIN
    plural = "domain lists"
    more_room = "raise AWS's quota of domains, or remove domains"
    versions = (0,)
    arn = re.compile(
        r"arn:aws[a-z-]*:route53resolver:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12})"
        r":firewall-domain-list/(?P<id>rslvr-fdl-[0-9a-z]{1,32})",
        re.ASCII,
    )

    def place(self, ref: Ref) -> Hashable:
        return ref.arn

    def refusal(self, entry: str) -> ContainmentError | None:
        if _allowed.fullmatch(entry):
            return None
        return ContainmentError(_NOT_ALLOWED, permanent=True)

    def read(self, client: Any, ref: Ref) -> Content:
        asked = {"FirewallDomainListId": ref.id, "MaxResults": 5000}
        found: set[str] = set()
        while True:
            answer = client.list_firewall_domains(**asked)
            found.update(one.rstrip(".").lower() for one in answer["Domains"])
            if "NextToken" not in answer:
                return Content(ref, 0, CAPACITY, frozenset(found), set(found), "")
            asked["NextToken"] = answer["NextToken"]

    def write(self, client: Any, content: Content) -> Mapping[str, ContainmentError]:
        _change(client, content.ref, "REMOVE", sorted(content.present - content.wanted))
        return self._add(client, content.ref, sorted(content.wanted - content.present))

    def _add(self, client: Any, ref: Ref, domains: Sequence[str]) -> dict[str, ContainmentError]:
        """Adds domains. Returns those that AWS refuses, with the reasons.

        AWS refuses a request with one name that it does not allow, or of which a part does not fit.
        An attacker can ask for such a name, which must not keep out the other domains.
        """
        try:
            _change(client, ref, "ADD", domains)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in {"ValidationException", "LimitExceededException"}:
                raise
            if len(domains) == 1 and code == "LimitExceededException":
                return {domains[0]: self._full(0)}
            if len(domains) == 1:
                return {domains[0]: ContainmentError(str(failure(error)), permanent=True)}
            half = len(domains) // 2
            refused = self._add(client, ref, domains[:half])
            if isinstance(refused.get(domains[half - 1]), ListsFull):  # so the rest does not fit
                return refused | dict.fromkeys(domains[half:], self._full(0))
            return refused | self._add(client, ref, domains[half:])
        return {}


def _change(resolver: Any, ref: Ref, operation: str, domains: Sequence[str]) -> None:
    for start in range(0, len(domains), AT_ONCE):
        resolver.update_firewall_domains(
            FirewallDomainListId=ref.id,
            Operation=operation,
            Domains=domains[start : start + AT_ONCE],
        )


LISTS = DomainLists()
