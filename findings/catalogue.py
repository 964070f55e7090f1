"""The catalog of known finding types and their properties.

It offers choices and does not limit them: GuardDuty adds types several times a year, so unknown
types are accepted. The data is in findings/data: GuardDuty's types, from the AWS GuardDuty User
Guide of September 2026, and our own detectors.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db.models import TextChoices

_DATA = Path(__file__).parent / "data"

# ThreatPurpose:Resource/Family, with suffixes as in "C&CActivity.B!DNS". AWS documents the format
# but not the allowed characters. The longest current type has 85 characters.
FINDING_TYPE_PATTERN = r"^[A-Za-z0-9]+:[A-Za-z0-9]+/[A-Za-z0-9][A-Za-z0-9&!.-]*$"
FINDING_TYPE_MAX_LENGTH = 100
_finding_type = re.compile(FINDING_TYPE_PATTERN)

# AWS uses two names for IAM: UnauthorizedAccess:IAMUser/... and UserDefined:IAM/...
SERVICE_ALIASES = {"IAMUser": "IAM"}
# Their findings name a credential, or a function, task or pod that has a role.
_WITH_CREDENTIALS = {"IAM", "Lambda", "ECS", "EKS", "Kubernetes", "Runtime"}


class Severity(TextChoices):
    """GuardDuty's severity levels, lowest first."""

    LOW = "LOW", "Low"
    MEDIUM = "MEDIUM", "Medium"
    HIGH = "HIGH", "High"
    CRITICAL = "CRITICAL", "Critical"


class Source(TextChoices):
    """The service that produces a finding."""

    THREATREACTION = "threatreaction", "ThreatReaction"
    GUARDDUTY = "guardduty", "GuardDuty"


@dataclass(frozen=True, slots=True)
class FindingType:
    """A finding type in the catalog."""

    name: str
    title: str  # "" for GuardDuty types, which are shown by name
    service: str
    source: Source
    data_source: str  # the AWS data source that must be enabled; "" for our own detectors
    severities: tuple[Severity, ...]
    names_credential: bool  # whether its findings can name a credential, or a workload with a role
    source_url: str
    is_detected: bool = True  # False for our own types that no detector reports yet


@dataclass(frozen=True, slots=True)
class Service:
    """An AWS service in the catalog, with its finding types."""

    name: str
    source: Source
    types: tuple[FindingType, ...]

    @property
    def names_credential(self) -> bool:
        """Whether findings of any of its types can name a credential."""
        return any(finding_type.names_credential for finding_type in self.types)

    @property
    def is_detected(self) -> bool:
        """Whether any of its types is detected."""
        return any(finding_type.is_detected for finding_type in self.types)


def has_form(finding_type: str) -> bool:
    """Returns whether the text has the format of a GuardDuty finding type, known or unknown."""
    return len(finding_type) <= FINDING_TYPE_MAX_LENGTH and bool(
        _finding_type.fullmatch(finding_type)
    )


def service_of(finding_type: str) -> str:
    """Returns the service of a well-formed finding type: "EC2" for "Trojan:EC2/DropPoint"."""
    return canonical_service(finding_type.partition(":")[2].partition("/")[0])


def canonical_service(name: str) -> str:
    """Returns the canonical name of a service: "IAM" for the alias "IAMUser"."""
    return SERVICE_ALIASES.get(name, name)


def source_of(*, service: str = "", finding_type: str = "") -> Source:
    """Returns the source of a service's or type's findings; GuardDuty if it is not cataloged."""
    if finding_type:
        ours = finding_type.startswith("ThreatReaction:")
        return Source.THREATREACTION if ours else Source.GUARDDUTY
    known = SERVICES.get(service)
    return known.source if known else Source.GUARDDUTY


def can_revoke(*, service: str = "", finding_type: str = "") -> bool:
    """Returns whether findings of this type or service can name a credential.

    For a type that is not in the catalog, the service decides; True if that is also unknown.
    """
    if finding_type in FINDING_TYPES:
        return FINDING_TYPES[finding_type].names_credential
    known = SERVICES.get(service or service_of(finding_type))
    return known.names_credential if known else True


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _read() -> Iterator[FindingType]:
    for row in _rows("detectors.csv"):
        yield FindingType(
            name=row["finding_type"],
            title=row["title"],
            service=service_of(row["finding_type"]),
            source=Source.THREATREACTION,
            data_source="",
            severities=tuple(Severity),
            names_credential=True,
            source_url="",
            is_detected=row["detected"] == "yes",
        )
    for row in _rows("finding-types.csv"):
        severities = tuple(Severity(name) for name in row["severities"].split("|") if name)
        yield FindingType(
            name=row["finding_type"],
            title="",
            service=canonical_service(row["service"]),
            source=Source.GUARDDUTY,
            data_source=row["data_source"],
            severities=severities or tuple(Severity),  # AWS says "varies"
            names_credential="CloudTrail" in row["data_source"]
            or service_of(row["finding_type"]) in _WITH_CREDENTIALS,
            source_url=row["source_url"],
        )


def _group(types: Mapping[str, FindingType]) -> dict[str, Service]:
    names = dict.fromkeys(finding_type.service for finding_type in types.values())
    services = {}
    for name in names:
        members = tuple(t for t in types.values() if t.service == name)
        services[name] = Service(name=name, source=members[0].source, types=members)
    return services


# In file order: our detectors first.
FINDING_TYPES: Mapping[str, FindingType] = {t.name: t for t in _read()}
SERVICES: Mapping[str, Service] = _group(FINDING_TYPES)
