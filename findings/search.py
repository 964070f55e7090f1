"""The search box of the Events page: finds out what a text is, and the findings it means."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence

from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from findings import titles
from findings.catalogue import FINDING_TYPES
from findings.models import Entity, Finding, Mention

# The titles of this many findings are read, the newest that match the other filters: no index finds
# a part of a word. findings.titles knows the words of all others, but for numbers and names.
TITLES = 10_000
MOST_TYPES = 40  # queries of one search
MOST_WORDS = 10
NAMES = 50  # entities whose names begin with the text

Findings = QuerySet[Finding]


def branches(text: str, findings: Findings) -> list[Findings]:
    """Returns queries, of which the findings that the text means match at least one.

    The text is an address, a name or an ARN of an entity, the ID or the ARN of a finding, an AWS
    account, or a finding type. Anything else is free text: words of a finding type or of a title,
    or the beginning of the name of an entity. `findings` are those that match the other filters.
    """
    text = text.strip()
    for only in (_named, _with_id, _of_account, _of_type):
        if (narrow := only(text)) is not None:
            return [narrow(findings)]
    return _containing(text, findings)


Narrow = Callable[[Findings], Findings]


def _named(text: str) -> Narrow | None:
    """An entity has this name; an address need not be written as GuardDuty writes it."""
    try:
        text = str(ipaddress.ip_address(text))
    except ValueError:
        if not Entity.objects.filter(name=text).exists():
            return None
    named = Mention.objects.filter(entity__name=text)
    return lambda findings: findings.filter(pk__in=named.values("finding"))


def _with_id(text: str) -> Narrow | None:
    finding_id = finding_id_in(text)
    if not Finding.objects.filter(finding_id=finding_id).exists():
        return None
    return lambda findings: findings.filter(finding_id=finding_id)


def _of_account(text: str) -> Narrow | None:
    if not is_account(text):
        return None
    return lambda findings: findings.filter(account_id=text)


def finding_id_in(text: str) -> str:
    """Returns the ID in the ARN of a finding; any other text as it is."""
    return text.rpartition("/finding/")[2]


def is_account(text: str) -> bool:
    """Returns whether the text is the ID of an AWS account."""
    return re.fullmatch("[0-9]{12}", text) is not None


def words(text: str) -> list[str]:
    """Returns the words of free text, at most MOST_WORDS of them."""
    return text.split()[:MOST_WORDS]


def names_that_begin(text: str) -> list[str]:
    """Returns the names of at most NAMES entities that begin with the text."""
    return list(Entity.objects.filter(begins(text)).values_list("name", flat=True)[:NAMES])


def _of_type(text: str) -> Narrow | None:
    if text not in FINDING_TYPES and not Finding.objects.filter(finding_type=text).exists():
        return None
    return lambda findings: findings.filter(finding_type=text)


def _containing(text: str, findings: Findings) -> list[Findings]:
    names = Entity.objects.filter(begins(text)).values("pk")[:NAMES]
    mentions = Mention.objects.filter(entity__in=list(names.values_list("pk", flat=True)))
    in_title = Q()
    for word in words(text):
        in_title &= Q(title__icontains=word)
    # A range of time, not a subquery with a limit, for which PostgreSQL reads all titles.
    instants = findings.order_by("-seen_at", "-pk").values_list("seen_at", flat=True)
    if since := instants[TITLES - 1 : TITLES].first():
        in_title &= Q(seen_at__gte=since)
    return [
        *_with_title(words(text), findings),
        findings.filter(pk__in=mentions.values("finding")),
        findings.filter(in_title),
    ]


def _with_title(said: Sequence[str], findings: Findings) -> Iterator[Findings]:
    """Yields queries for the findings whose types and titles contain the words.

    A type is a query of its own, because each is found with an index. Among many types, the newest
    finding of any is near, so that the newest are read one after another.
    """
    whole, parts = _types_with([word.lower() for word in said])
    in_part = Q()
    for word in said:
        in_part &= Q(title__icontains=word) | Q(finding_type__icontains=word)
    for types, condition in ((whole, Q()), (parts, in_part)):
        if len(types) <= MOST_TYPES:
            yield from (findings.filter(condition, finding_type=name) for name in types)
        else:
            # Not the column itself, by whose index SQLite would read and sort all of them.
            unindexed = findings.alias(any_type=Concat("finding_type", Value("")))
            yield unindexed.filter(condition, any_type__in=types)


def _types_with(said: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the types all of whose findings have the words, and those some of whose may have."""
    whole, parts = [], []
    for finding_type, known in titles.by_type().items():
        left = [word for word in said if word not in finding_type.lower()]
        matching = sum(all(word in words.lower() for word in left) for words in known)
        is_complete = len(known) < titles.MOST
        if not left or (is_complete and matching == len(known)):
            whole.append(finding_type)
        elif matching or not is_complete:
            parts.append(finding_type)
    return whole, parts


def begins(text: str) -> Q:
    """Returns the condition that the name of an entity begins with the text, for an index."""
    if connection.vendor == "postgresql":
        return Q(name__startswith=text)  # the operator class of entity_by_name
    return Q(name__gte=text, name__lt=text + "\U0010ffff")  # SQLite's LIKE uses no such index
