"""Extracts all that a finding says, as labeled groups of facts, for people to read.

Pure: no Django, no clock. Never raises for the content of a finding. What has no group of its own
is told by the names of its fields, so that nothing that GuardDuty adds is left out. The modules in
findings/guardduty/groups/ follow the same rules, each for one subject.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from findings.guardduty.facts import Fact, Group, all_of, fact, group, told
from findings.guardduty.groups import (
    behavior,
    calls,
    containers,
    intelligence,
    malware,
    network,
    resources,
    runtime,
)
from findings.guardduty.lenient_json import each, field, text_in
from findings.guardduty.parser import Unparsed, in_guardduty_format
from findings.guardduty.sequences import (
    Attack,
    Signal,
    indicators_in,
    other_indicators,
    parts_in,
    signals_in,
    tactic_of_type,
    tactics_of,
    techniques_of,
)

GROUPS_MAX = 80  # and one about the finding itself
_READ = 1000  # groups, of which those that say nothing are left out


@dataclass(frozen=True, slots=True)
class Details:
    """All that a finding says."""

    groups: tuple[Group, ...] = ()  # none is empty
    signals: tuple[Signal, ...] = ()  # of an attack sequence, in order of time
    tactics: tuple[Attack, ...] = ()
    techniques: tuple[Attack, ...] = ()


def details_in(document: Any) -> Details:
    """Returns the details of a finding in any format; empty if it cannot be parsed."""
    finding = in_guardduty_format(document)
    if isinstance(finding, Unparsed):
        return Details()
    service = field(finding, "service")
    signals = signals_in(service)
    indicators = list(each(field(service, "detection", "sequence", "sequenceIndicators")))
    if not indicators:
        indicators = indicators_in(field(finding, "description"))
    by_type = tactic_of_type(text_in(field(finding, "type"), 200))
    by_signals = dict.fromkeys(one for signal in signals for one in signal.tactics)
    techniques = dict.fromkeys(one for signal in signals for one in signal.techniques)
    groups = [one for one in islice(_groups(finding), _READ) if one.facts]
    if len(groups) > GROUPS_MAX:
        more = group("More", Fact("Groups", "The raw finding says more."), is_minor=True)
        groups = [*groups[: GROUPS_MAX - 1], more]
    groups.sort(key=lambda one: one.is_minor)
    return Details(
        groups=(*groups, *(one for one in [_of_finding(finding)] if one.facts)),
        signals=signals,
        tactics=tactics_of(indicators) or by_type or tuple(by_signals),
        techniques=techniques_of(indicators) or tuple(techniques),
    )


def _groups(finding: Mapping[str, Any]) -> Iterator[Group]:
    service, resource = field(finding, "service"), field(finding, "resource")
    yield from _sequence(service)
    yield from network.groups(finding)
    yield from calls.groups(service)
    yield group("Origin of the addresses", network.origins(field(service, "action")))
    yield from runtime.groups(field(service, "runtimeDetails"))
    yield from malware.groups(service)
    yield from behavior.groups(service)
    yield from intelligence.groups(service)
    yield from containers.groups(resource)
    yield from resources.groups(finding)
    yield from _others(finding)
    for title, facts in parts_in(service):
        yield group(title, facts, is_minor=True)


def _sequence(service: Any) -> Iterator[Group]:
    said = field(service, "detection", "sequence")
    yield group(
        "Sequence",
        fact("Summary", field(said, "description")),
        other_indicators(each(field(said, "sequenceIndicators"))),
        fact("Also", field(said, "additionalSequenceTypes")),
    )


_OF_SERVICE = {
    "action", "additionalInfo", "archived", "count", "detection", "detectorId",
    "ebsVolumeScanDetails", "eventFirstSeen", "eventLastSeen", "evidence", "featureName",
    "malwareScanDetails", "resourceRole", "runtimeDetails", "serviceName", "userFeedback",
}  # fmt: skip
_OF_FINDING = {
    "accountId", "arn", "associatedAttackSequenceArn", "confidence", "createdAt",
    "customDetectionRuleName", "description", "id", "partition", "region", "resource", "resources",
    "schemaVersion", "service", "severity", "stateInSecurityHub", "title", "type", "updatedAt",
    "sample",
}  # fmt: skip


def _others(finding: Mapping[str, Any]) -> Iterator[Group]:
    service = field(finding, "service")
    yield group("Other details", all_of(service, skip=_OF_SERVICE))
    yield group("Other fields", all_of(finding, skip=_OF_FINDING))


def _of_finding(finding: Mapping[str, Any]) -> Group:
    return group(
        "Finding in GuardDuty",
        told(
            finding,
            {
                "ID": "id",
                "ARN": "arn",
                "Partition": "partition",
                "Kind of resource": "resource.resourceType",
                "Role of the resource": "service.resourceRole",
                "Feature": "service.featureName",
                "Detector": "service.detectorId",
                "Custom detection rule": "customDetectionRuleName",
                "Attack sequence": "associatedAttackSequenceArn",
                "Confidence": "confidence",
                "Feedback": "service.userFeedback",
                "Created": "createdAt",
                "Updated": "updatedAt",
                "Schema": "schemaVersion",
            },
        ),
        is_minor=True,
    )
