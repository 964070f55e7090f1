"""The tables of findings: policy, findings, what they name, and sums."""

from findings.models.entities import AccountName, Entity, KnownTitle, Mention
from findings.models.events import (
    CLOSED,
    Finding,
    FindingQuerySet,
    Status,
    TriageEntry,
    TriageEntryQuerySet,
)
from findings.models.policy import (
    Action,
    PolicyChange,
    PolicyChangeQuerySet,
    Target,
    ThreatPolicy,
    ThreatPolicyQuerySet,
)
from findings.models.sums import AccountSum, EntitySum, PeriodSum

__all__ = [
    "CLOSED",
    "AccountName",
    "AccountSum",
    "Action",
    "Entity",
    "EntitySum",
    "Finding",
    "FindingQuerySet",
    "KnownTitle",
    "Mention",
    "PeriodSum",
    "PolicyChange",
    "PolicyChangeQuerySet",
    "Status",
    "Target",
    "ThreatPolicy",
    "ThreatPolicyQuerySet",
    "TriageEntry",
    "TriageEntryQuerySet",
]
