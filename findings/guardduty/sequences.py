"""Extracts the signals of an attack sequence, and ATT&CK's tactics and techniques. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from findings.guardduty.attack import TACTICS, tactic_named, tactic_of
from findings.guardduty.connections import domain_in, port_in
from findings.guardduty.entities import Kind, actor_entity, resource_entity
from findings.guardduty.facts import Fact, all_of, fact, text_of, words_of
from findings.guardduty.lenient_json import (
    address_in,
    each,
    field,
    first_in,
    instant_in,
    number_in,
    sequence,
    text_in,
)

SIGNALS_MAX = 100  # GuardDuty's maximum
_LISTED = 25  # actors, endpoints or resources of a signal
_LAST = datetime.max.replace(tzinfo=UTC)
_technique = re.compile(r"(?P<uid>T\d{4}(?:\.\d{3})?)\b[\s:\u2013-]*(?P<name>.*)", re.DOTALL)
_observed = re.compile(r"MITRE ATT&CK (?P<part>tactic|technique)s? observed: (?P<values>[^\n]+)")


@dataclass(frozen=True, slots=True)
class Attack:
    """A tactic or a technique of ATT&CK."""

    name: str
    uid: str = ""  # "TA0001", or "T1078.004"; "" if unknown

    @property
    def url(self) -> str:
        """The page of attack.mitre.org; "" without an ID."""
        if not self.uid:
            return ""
        folder = "tactics" if self.uid.startswith("TA") else "techniques"
        return f"https://attack.mitre.org/{folder}/{self.uid.replace('.', '/')}/"


@dataclass(frozen=True, slots=True)
class Signal:
    """One step of an attack sequence. Missing values are "", None or empty."""

    name: str  # a finding type, or an API such as "s3:GetObject"
    title: str
    source: str  # "Finding", "CloudTrail", ...
    finding_id: str  # if the signal is a finding
    first_seen_at: datetime | None  # aware
    last_seen_at: datetime | None
    count: int | None
    severity: float | None
    tactics: tuple[Attack, ...]
    techniques: tuple[Attack, ...]
    actors: tuple[Fact, ...]
    endpoints: tuple[Fact, ...]
    resources: tuple[Fact, ...]
    others: tuple[Fact, ...]  # other indicators, and APIs with their errors


def signals_in(service: Any) -> tuple[Signal, ...]:
    """Returns the signals of an attack sequence in order of time, at most SIGNALS_MAX."""
    actors = _by_id(sequence(service, "actors"), _actor, "id")
    endpoints = _by_id(sequence(service, "endpoints"), _endpoint, "id")
    resources = _by_id(sequence(service, "resources"), _resource, "uid")
    found = [
        _signal(one, actors, endpoints, resources)
        for _, one in zip(range(SIGNALS_MAX), sequence(service, "signals"), strict=False)
    ]
    return tuple(sorted(found, key=lambda one: one.first_seen_at or one.last_seen_at or _LAST))


def _by_id(parts: Iterable[Mapping[str, Any]], read: Any, key: str) -> dict[str, Fact]:
    return {
        text_in(field(one, key), 512) or text_in(field(one, "id"), 512): told
        for one in parts
        if (told := read(one))
    }


def _signal(
    signal: Mapping[str, Any],
    actors: Mapping[str, Fact],
    endpoints: Mapping[str, Fact],
    resources: Mapping[str, Fact],
) -> Signal:
    indicators = list(each(field(signal, "signalIndicators")))
    name = text_in(field(signal, "name"), 200)
    uid = first_in(signal, ("uid",), ("id",), limit=512)
    count = number_in(field(signal, "count"))
    severity = number_in(field(signal, "severity"))
    return Signal(
        name=name,
        title=first_in(signal, ("title",), ("description",), limit=1024),
        source=words_of(text_in(field(signal, "type"), 64)).replace("Cloud trail", "CloudTrail"),
        finding_id=uid.rpartition("/finding/")[2] if "/finding/" in uid else "",
        first_seen_at=instant_in(field(signal, "firstSeenAt"))
        or instant_in(field(signal, "createdAt")),
        last_seen_at=instant_in(field(signal, "lastSeenAt")),
        count=int(count) if count is not None and 0 < count < 10**12 else None,
        severity=float(severity) if severity is not None and 0 <= severity <= 10 else None,
        tactics=tactics_of(indicators) or tactic_of_type(name),
        techniques=techniques_of(indicators),
        actors=_named(signal, ("actorIds",), actors),
        endpoints=_named(signal, ("endpointIds",), endpoints),
        resources=_named(signal, ("resourceUids", "resourceIds"), resources),
        others=(*other_indicators(indicators), *_activities(signal)),
    )


def _named(
    signal: Mapping[str, Any], keys: tuple[str, ...], known: Mapping[str, Fact]
) -> tuple[Fact, ...]:
    """Returns what the IDs of a signal stand for; an ID that stands for nothing is told as such."""
    said = next(filter(None, (field(signal, key) for key in keys)), ())
    uids = [text_in(uid, 512) for uid in said] if isinstance(said, list | tuple) else []
    told = (known.get(uid) or Fact("ID", uid) for uid in uids if uid)
    return tuple(dict.fromkeys(told))[:_LISTED]


def _activities(signal: Mapping[str, Any]) -> Iterator[Fact]:
    for activity in each(field(signal, "activities")):
        api = field(activity, "api")
        called = [field(api, "service"), field(api, "operation")]
        error = text_of(field(api, "error"))
        text = ": ".join(filter(None, map(text_of, called)))
        yield from filter(None, [fact("API", f"{text} ({error})" if error and text else text)])


# Actors, endpoints and resources


def _actor(actor: Mapping[str, Any]) -> Fact | None:
    entity = actor_entity(actor)
    user, process = field(actor, "user"), field(actor, "process")
    label = text_of(field(user, "type")) or ("Process" if process else "Actor")
    names = (
        field(user, "name"),
        field(user, "uid"),
        field(process, "path"),
        field(process, "name"),
        field(actor, "id"),
    )
    name = next(filter(None, map(text_of, names)), "")
    return fact(label, name, kind=entity[0], name=entity[1]) if entity else fact(label, name)


def _endpoint(endpoint: Mapping[str, Any]) -> Fact | None:
    address, domain = address_in(field(endpoint, "ip")), domain_in(field(endpoint, "domain"))
    port = port_in(field(endpoint, "port"))
    place = ", ".join(
        filter(
            None,
            (
                text_of(field(endpoint, "location", "city")),
                text_of(field(endpoint, "location", "country")),
                text_of(field(endpoint, "autonomousSystem", "name")),
            ),
        )
    )
    shown = " ".join(
        filter(
            None,
            (
                address or domain or text_of(field(endpoint, "ip")),
                f"port {port}" if port else "",
                f"({domain})" if address and domain else "",
            ),
        )
    )
    label = words_of(text_of(field(endpoint, "connection", "direction")).lower()) or "Endpoint"
    text = f"{shown}, {place}" if place and shown else shown
    kind = Kind.ADDRESS if address else Kind.DOMAIN
    return fact(label, text, kind=kind, name=address or domain)


def _resource(resource: Mapping[str, Any]) -> Fact | None:
    entity = resource_entity(resource)
    label = words_of(text_in(field(resource, "resourceType"), 64).lower()) or "Resource"
    name = text_of(field(resource, "name"))
    uid = text_of(field(resource, "uid"))
    if entity is None:
        return fact(label, name or uid)
    kind, told = entity
    shown = f"{told} ({name})" if name and name != told and kind is Kind.INSTANCE else told
    return fact(label, shown or name or uid, kind=kind, name=told)


def parts_in(service: Any) -> Iterator[tuple[str, list[Fact]]]:
    """Yields the actors, endpoints and resources of an attack sequence, with all they say."""
    for number, one in enumerate(sequence(service, "actors"), start=1):
        entity = _actor(one)
        facts = [*([entity] if entity else []), *all_of(one, skip=("id",))]
        yield f"Actor {number}", facts
    for number, one in enumerate(sequence(service, "endpoints"), start=1):
        entity = _endpoint(one)
        yield f"Endpoint {number}", [*([entity] if entity else []), *all_of(one, skip=("id",))]
    for one in sequence(service, "resources"):
        entity = _resource(one)
        if entity is not None:
            facts = [entity, *all_of(one, skip=("resourceType", "name", "data"))]
            data = field(one, "data")
            for inside in data.values() if isinstance(data, Mapping) else ():
                facts += all_of(inside)
            yield f"{entity.label} {entity.value}", facts


# ATT&CK


def tactics_of(indicators: Iterable[Mapping[str, Any]]) -> tuple[Attack, ...]:
    """Returns the tactics among the indicators of a signal or sequence, each once."""
    names = (tactic_named(text) or text for text in _values(indicators, "ATTACK_TACTIC") if text)
    return tuple(dict.fromkeys(Attack(name, TACTICS.get(name, "")) for name in names))


def tactic_of_type(finding_type: str) -> tuple[Attack, ...]:
    """Returns the tactic that a finding type names, or none."""
    name = tactic_of(finding_type)
    return (Attack(name, TACTICS[name]),) if name else ()


def techniques_of(indicators: Iterable[Mapping[str, Any]]) -> tuple[Attack, ...]:
    """Returns the techniques among the indicators of a signal or sequence, each once."""
    found = []
    for text in _values(indicators, "ATTACK_TECHNIQUE"):
        said = _technique.match(text)
        found.append(
            Attack(said["name"].strip() or said["uid"], said["uid"]) if said else Attack(text)
        )
    return tuple(dict.fromkeys(found))


def other_indicators(indicators: Iterable[Mapping[str, Any]]) -> Iterator[Fact]:
    """Yields the indicators that are neither tactics nor techniques, such as a Tor address."""
    for one in indicators:
        key = text_in(field(one, "key"), 64)
        if key not in {"ATTACK_TACTIC", "ATTACK_TECHNIQUE"}:
            label = text_in(field(one, "title"), 64) or words_of(key.lower())
            text = text_of(field(one, "values")) or "Yes"
            yield from filter(None, [fact(label or "Indicator", text)])


def indicators_in(description: Any) -> list[Mapping[str, Any]]:
    """Returns the tactics and techniques that the description of an attack sequence lists."""
    text = text_in(description, 4096)
    return [
        {"key": f"ATTACK_{said['part'].upper()}", "values": said["values"].split(", ")}
        for said in _observed.finditer(text)
    ]


def _values(indicators: Iterable[Mapping[str, Any]], key: str) -> Iterator[str]:
    for one in indicators:
        values = field(one, "values")
        if text_in(field(one, "key"), 64) == key and isinstance(values, list | tuple):
            yield from filter(None, (text_in(value, 128) for value in values[:_LISTED]))
