"""Builds the rows of the Threats page: every service and finding type with its action."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from findings import catalogue, policy
from findings.catalogue import Severity, Source
from findings.models import Action, Target
from findings.policy import Policy, Resolution

_ACTIONS: Mapping[str, str] = dict(Action.choices)
_SEVERITIES: Mapping[str, str] = {"": "every severity", **dict(Severity.choices)}


class Cell(NamedTuple):
    """The action of one row at one severity; "" is the column for every severity."""

    severity: str
    action: str
    label: str
    is_set: bool  # set on this row, not inherited
    origin: str  # where the action is set, as text; threats-cells.js uses the same words


class Row(NamedTuple):
    """The row of a service or of a finding type."""

    finding_type: str  # "" for a service
    note: str
    is_detected: bool
    can_set: bool  # False for an unknown service, which PUT /findings rejects; see also _can_set
    can_revoke: bool
    # None if findings of this type never have the severity, and for what _can_set leaves out
    cells: list[Cell | None]


@dataclass(frozen=True, slots=True)
class ServiceRows:
    """The rows of a service."""

    name: str
    rows: list[Row]  # the service itself first, then its types
    settings: int  # number of settings on the service and its types
    is_detected: bool
    starts_open: bool  # whether the page shows it expanded

    @property
    def types(self) -> int:
        """The number of finding types."""
        return len(self.rows) - 1


@dataclass(frozen=True, slots=True)
class Section:
    """The services of one source of findings."""

    source: Source
    services: list[ServiceRows]

    @property
    def has_undetected(self) -> bool:
        """Whether it has types that are not detected yet."""
        return any(
            finding_type.source is self.source and not finding_type.is_detected
            for finding_type in catalogue.FINDING_TYPES.values()
        )


def sections(settings: Policy, *, also: Iterable[Target] = ()) -> list[Section]:
    """Returns one section per source: the whole catalog, then settings for uncataloged types.

    `also` are targets that have a cell even if they are not set.
    """
    shown = {*settings, *also}
    strangers = _outside_the_catalogue(shown)
    services = dict.fromkeys([*catalogue.SERVICES, *strangers])
    rows = [_service(name, strangers.get(name, []), settings, shown) for name in services]
    return [
        Section(source, [row for row in rows if catalogue.source_of(service=row.name) is source])
        for source in Source
    ]


def _outside_the_catalogue(targets: Iterable[Target]) -> dict[str, list[str]]:
    strangers: dict[str, list[str]] = defaultdict(list)
    for name in sorted({target.finding_type for target in targets} - {""}):
        if name not in catalogue.FINDING_TYPES:
            strangers[catalogue.service_of(name)].append(name)
    return strangers


def _service(
    name: str, strangers: Sequence[str], settings: Policy, shown: Set[Target]
) -> ServiceRows:
    known = catalogue.SERVICES.get(name)
    types = [
        _type(one.name, one.title, one.severities, one.is_detected, settings, shown)
        for one in (known.types if known else ())
    ]
    types += [
        _type(stranger, "Not in the catalog", tuple(Severity), True, settings, shown)
        for stranger in strangers
    ]
    has = {cell.severity for row in types for cell in row.cells if cell}
    targets = [Target(name, "", severity) for severity in _SEVERITIES]
    is_detected = known is None or known.is_detected
    offered = _can_set(targets, is_detected, shown)
    row = Row(
        finding_type="",
        note=_note("", is_detected),
        is_detected=is_detected,
        can_set=known is not None and offered,
        can_revoke=catalogue.can_revoke(service=name),
        cells=[
            _cell(target.severity, target, settings, service=name)
            if offered and (target.severity in has or target in shown)
            else None
            for target in targets
        ],
    )
    count = sum(cell.is_set for each in (row, *types) for cell in each.cells if cell)
    ours = catalogue.source_of(service=name) is Source.THREATREACTION
    starts_open = count > 0 or (ours and is_detected)
    return ServiceRows(
        name, [row, *types], settings=count, is_detected=is_detected, starts_open=starts_open
    )


def _type(
    name: str,
    title: str,
    severities: Sequence[Severity],
    is_detected: bool,
    settings: Policy,
    shown: Set[Target],
) -> Row:
    targets = [Target("", name, severity) for severity in _SEVERITIES]
    offered = _can_set(targets, is_detected, shown)
    return Row(
        finding_type=name,
        note=_note(title, is_detected),
        is_detected=is_detected,
        can_set=offered,
        can_revoke=catalogue.can_revoke(finding_type=name),
        cells=[
            _cell(target.severity, target, settings, finding_type=name)
            if offered and (target.severity in {"", *severities} or target in shown)
            else None
            for target in targets
        ],
    )


def _note(title: str, is_detected: bool) -> str:
    return " · ".join(filter(None, (title, "" if is_detected else "Not detected yet")))


def _can_set(targets: Iterable[Target], is_detected: bool, shown: Set[Target]) -> bool:
    """Returns whether the page offers actions for a row.

    It offers none for what is not detected yet, except to change or remove a setting.
    """
    return is_detected or not shown.isdisjoint(targets)


def _cell(
    severity: str, here: Target, settings: Policy, *, service: str = "", finding_type: str = ""
) -> Cell:
    applies = policy.resolve(
        settings, service=service, finding_type=finding_type, severity=severity
    )
    return Cell(
        severity=severity,
        action=applies.action,
        label=_ACTIONS[applies.action],
        is_set=applies.set_at == here,
        origin=_origin(applies, here),
    )


def _origin(applies: Resolution, here: Target) -> str:
    at = applies.set_at
    if at is None:
        return "By default"
    if at == here:
        return "Set here"
    return f"From {at.service or at.finding_type}, {_SEVERITIES[at.severity]}"
