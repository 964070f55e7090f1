"""Builds the rows of the Threats page: every service and finding type with its action."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
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
    can_set: bool  # False for an unknown service, which PUT /findings rejects
    can_revoke: bool
    cells: list[Cell | None]  # None if findings of this type never have the severity


@dataclass(frozen=True, slots=True)
class ServiceRows:
    """The rows of a service."""

    name: str
    rows: list[Row]  # the service itself first, then its types
    settings: int  # number of settings on the service and its types
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


def sections(settings: Policy) -> list[Section]:
    """Returns one section per source: the whole catalog, then settings for uncataloged types."""
    strangers = _outside_the_catalogue(settings)
    services = dict.fromkeys([*catalogue.SERVICES, *strangers])
    rows = [_service(name, strangers.get(name, []), settings) for name in services]
    return [
        Section(source, [row for row in rows if catalogue.source_of(service=row.name) is source])
        for source in Source
    ]


def _outside_the_catalogue(settings: Policy) -> dict[str, list[str]]:
    strangers: dict[str, list[str]] = defaultdict(list)
    for name in sorted({target.finding_type for target in settings} - {""}):
        if name not in catalogue.FINDING_TYPES:
            strangers[catalogue.service_of(name)].append(name)
    return strangers


def _service(name: str, strangers: Sequence[str], settings: Policy) -> ServiceRows:
    known = catalogue.SERVICES.get(name)
    types = [
        _type(finding_type.name, finding_type.title, finding_type.severities, settings)
        for finding_type in (known.types if known else ())
    ]
    types += [_type(stranger, "Not in the catalog", (), settings) for stranger in strangers]
    has = {cell.severity for row in types for cell in row.cells if cell}
    row = Row(
        finding_type="",
        note="",
        can_set=known is not None,
        can_revoke=catalogue.can_revoke(service=name),
        cells=[
            _cell(severity, Target(name, "", severity), settings, service=name)
            if severity in has or Target(name, "", severity) in settings
            else None
            for severity in _SEVERITIES
        ],
    )
    count = sum(cell.is_set for each in (row, *types) for cell in each.cells if cell)
    ours = catalogue.source_of(service=name) is Source.THREATREACTION
    return ServiceRows(name, [row, *types], settings=count, starts_open=ours or count > 0)


def _type(name: str, note: str, severities: Sequence[Severity], settings: Policy) -> Row:
    has = {"", *(severities or Severity)}
    return Row(
        finding_type=name,
        note=note,
        can_set=True,
        can_revoke=catalogue.can_revoke(finding_type=name),
        cells=[
            _cell(severity, Target("", name, severity), settings, finding_type=name)
            if severity in has or Target("", name, severity) in settings
            else None
            for severity in _SEVERITIES
        ],
    )


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
