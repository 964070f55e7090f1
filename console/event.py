"""What the page of an event shows: facts with links, and the neighbors in the list."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from detectors.models import Bucket
from findings import events
from findings.catalogue import FINDING_TYPES, Source, source_of
from findings.guardduty import links
from findings.guardduty.details import details_in
from findings.guardduty.facts import Fact
from findings.guardduty.lenient_json import field, text_in
from findings.guardduty.parser import FINDING_ID_MAX_LENGTH, Kind, ParsedFinding
from findings.guardduty.sequences import Attack, Signal
from findings.models import Entity, Finding
from storage.paging import CursorPager

_FIRST = 3  # entities in the summary
_identifier = re.compile(r"(?=.*[0-9:/])\S{8,}")


@dataclass(frozen=True, slots=True)
class ShownFact:
    """A fact with its link."""

    label: str
    value: str
    url: str  # of the entity; "" if the fact is none that is stored
    is_identifier: bool  # such as an ID, a path or a hash, which one copies


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Facts that belong together."""

    title: str
    facts: Sequence[ShownFact]


@dataclass(frozen=True, slots=True)
class ShownEntity:
    """An actor or an affected resource."""

    kind: str
    name: str
    url: str
    origin: str  # of an address
    console_url: str  # of AWS; "" if it has none


@dataclass(frozen=True, slots=True)
class ShownSignal:
    """One step of an attack sequence."""

    name: str
    title: str
    source: str
    url: str  # of the finding that is the signal, if it is stored
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    count: int | None
    severity: float | None
    tactics: Sequence[Attack]
    techniques: Sequence[Attack]
    parts: Sequence[ShownGroup]  # actors, endpoints, resources and other indicators


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The events before and after one in the list, as paths with the filter; "" for none."""

    newer: str
    older: str
    all: str


def shown(finding: Finding) -> Mapping[str, Any]:
    """Returns the context of the page of an event. Runs at most five queries."""
    document = finding.document
    details = details_in(document)
    parsed = finding.parsed
    actors, resources = events.named_by(finding)
    stored = [*(one.entity for one in actors), *resources]
    path_of = _paths(stored)
    catalogued = FINDING_TYPES.get(finding.finding_type)
    everyone = [_actor(one, finding) for one in actors]
    if parsed and parsed.resource_acted:  # the addresses are its targets
        everyone.sort(key=lambda one: one.kind in {Kind.ADDRESS, Kind.DOMAIN})
    everything = [_entity(one, finding) for one in resources]
    return {
        "parsed": parsed,
        "is_from_future": events.is_from_future(parsed, now=timezone.now()),
        "actors": everyone,
        "first_actors": everyone[:_FIRST],
        "more_actors": len(everyone[_FIRST:]),
        "resources": everything,
        "first_resources": everything[:_FIRST],
        "more_resources": len(everything[_FIRST:]),
        "in_short": [] if details.signals else _in_short(details.groups),
        "tactics": details.tactics,
        "techniques": details.techniques,
        "signals": list(_signals(details.signals, finding, path_of)),
        "sequence_url": _sequence_path(document, finding),
        "groups": [
            _group(one.title, one.facts, path_of) for one in details.groups if not one.is_minor
        ],
        "minor_groups": [
            _group(one.title, one.facts, path_of) for one in details.groups if one.is_minor
        ],
        "guardduty_url": links.finding_url(region=finding.region, finding_id=finding.finding_id)
        if parsed and source_of(finding_type=finding.finding_type) == Source.GUARDDUTY
        else "",
        "bucket_url": _bucket_path(parsed) if parsed else "",
        "documentation_url": links.documentation_url(
            finding.finding_type, catalogued.source_url if catalogued else ""
        ),
        "raw": _indented(document) or finding.raw,
    }


def _bucket_path(parsed: ParsedFinding) -> str:
    """Returns the page of the registered bucket that a finding of our detectors is about, or ""."""
    use = next(iter(parsed.bucket_uses), None)
    if use and Bucket.objects.filter(name=use.bucket).exists():
        return reverse("detectors:bucket", args=[use.bucket])
    return ""


_NEIGHBOR = CursorPager(1, by="seen_at")


def _indented(document: Any) -> str:
    """Returns the document as JSON; "" if it is empty or nested too deeply."""
    try:
        return json.dumps(document, indent=2) if document else ""
    except RecursionError:
        return ""


def neighbors(finding: Finding, form: Any) -> Neighbors:
    """Returns the neighbors of an event in the list that the filter of `form` narrows.

    An invalid form narrows nothing. The order of the list does not matter. Runs four queries, and
    some more for a search.
    """
    asked = form.asked() if form.is_valid() else {}
    now = timezone.now()
    cursor = _NEIGHBOR.cursor(finding)
    newest_first = {name: value for name, value in asked.items() if name != "sort"}
    oldest_first = {**newest_first, "sort": events.Sort.OLDEST}
    older, newer = (
        next(iter(_NEIGHBOR.page(events.listed(one, now=now), after=cursor).rows), None)
        for one in (newest_first, oldest_first)
    )
    # The texts that were sent, not the parsed values, so that the list shows them as they were.
    query = urlencode({name: form.data[name] for name in asked})
    suffix = f"?{query}" if query else ""

    def path(neighbor: Finding | None) -> str:
        return f"{reverse('console:event', args=[neighbor.pk])}{suffix}" if neighbor else ""

    return Neighbors(
        newer=path(newer),
        older=path(older),
        all=f"{reverse('findings:events')}{suffix}",
    )


def entity_path(entity: Entity) -> str:
    """Returns the page about an entity."""
    return reverse("console:entity", args=[entity.pk])


PathOf = Callable[[str, str], str]


def _paths(entities: Iterable[Entity]) -> PathOf:
    """Returns a function that returns the path of a stored entity by kind and name, or ""."""
    paths = {(entity.kind, entity.name): entity_path(entity) for entity in entities}
    return lambda kind, name: paths.get((str(kind), name), "")


def _actor(actor: events.Actor, finding: Finding) -> ShownEntity:
    origin = actor.origin
    places = (origin.city, origin.country, origin.organization) if origin else ()
    return _entity(actor.entity, finding, ", ".join(filter(None, places)))


def _entity(entity: Entity, finding: Finding, origin: str = "") -> ShownEntity:
    console_url = links.resource_url(
        entity.kind, entity.name, region=finding.region, finding_type=finding.finding_type
    )
    return ShownEntity(entity.kind, entity.name, entity_path(entity), origin, console_url)


def _group(title: str, facts: Iterable[Fact], path_of: PathOf) -> ShownGroup:
    return ShownGroup(title, [_fact(one, path_of) for one in facts])


def _fact(fact: Fact, path_of: PathOf) -> ShownFact:
    return ShownFact(
        fact.label,
        fact.value,
        path_of(fact.kind, fact.name),
        is_identifier=_identifier.fullmatch(fact.value) is not None,
    )


def _sequence_path(document: Any, finding: Finding) -> str:
    """Returns the event of the attack sequence that the finding is part of, if it is stored."""
    arn = text_in(field(document, "associatedAttackSequenceArn"), 512)
    if "/finding/" not in arn or arn.count(":") < 5:
        return ""
    sequences = Finding.objects.filter(  # all three, for the index
        account_id=finding.account_id,
        region=arn.split(":")[3],
        finding_id=arn.rpartition("/finding/")[2][:FINDING_ID_MAX_LENGTH],
    )
    pk = sequences.values_list("pk", flat=True).first()
    return reverse("console:event", args=[pk]) if pk is not None else ""


_SHORT = (  # the groups that say in short what was done, and the facts of each
    ("Network connection", ("Direction", "Protocol", "Own port", "Remote port")),
    ("Network connections", ("Connection 1", "Connection 2")),
    ("DNS request", ("Domain",)),
    ("API call", ("API", "Service", "Error")),
    ("Kubernetes API call", ("Verb", "Resource", "Request URI")),
    ("Database sign-in", ("User", "Failed attempts", "Successful attempts")),
    ("Process", ("Name", "Path", "User")),
)


def _in_short(groups: Iterable[Any]) -> list[Fact]:
    """Returns the few facts that say what was done."""
    by_title = {group.title: group.facts for group in groups}
    found = []
    for title, labels in _SHORT:
        found += [one for one in by_title.get(title, ()) if one.label in labels]
    for title, facts in by_title.items():
        if title.startswith("Malware ") and title != "Malware scan":
            found += [one for one in facts if one.label in {"Threat", "File"}]
    return found[:6]


def _signals(signals: Sequence[Signal], finding: Finding, path_of: PathOf) -> Iterable[ShownSignal]:
    """Yields the signals, each with a link to its finding if that is stored. Runs one query."""
    uids = {one.finding_id for one in signals if one.finding_id}
    stored = (
        dict(
            Finding.objects.filter(
                finding_id__in=uids, account_id=finding.account_id, region=finding.region
            ).values_list("finding_id", "pk")
        )
        if uids
        else {}
    )
    for one in signals:
        pk = stored.get(one.finding_id)
        parts = (
            ("Actors", one.actors),
            ("Endpoints", one.endpoints),
            ("Resources", one.resources),
            ("Indicators", one.others),
        )
        yield ShownSignal(
            name=one.name,
            title=one.title,
            source=one.source,
            url=reverse("console:event", args=[pk]) if pk is not None else "",
            first_seen_at=one.first_seen_at,
            last_seen_at=one.last_seen_at if one.last_seen_at != one.first_seen_at else None,
            count=one.count,
            severity=one.severity,
            tactics=one.tactics,
            techniques=one.techniques,
            parts=[_group(title, facts, path_of) for title, facts in parts if facts],
        )
