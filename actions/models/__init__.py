"""The tables of actions: what is done, what was before, and what limits it."""

from actions.models.allowlist import Allowance
from actions.models.breaker import Trip
from actions.models.kinds import (
    AT_THE_FIREWALL,
    BUCKET_USE,
    CONTAINMENT,
    CONTAINMENTS,
    IN_AN_ACCOUNT,
    IN_ORDER,
    LIFTS,
    WITH_AN_END,
    Containment,
    ReactionKind,
    State,
)
from actions.models.members import MemberRole
from actions.models.memories import Memory
from actions.models.reactions import Attempt, Reaction, ReactionQuerySet, Verdict
from actions.models.retention import ArchiveCopy, ArchiveFile

__all__ = [
    "AT_THE_FIREWALL",
    "BUCKET_USE",
    "CONTAINMENT",
    "CONTAINMENTS",
    "IN_AN_ACCOUNT",
    "IN_ORDER",
    "LIFTS",
    "WITH_AN_END",
    "Allowance",
    "ArchiveCopy",
    "ArchiveFile",
    "Attempt",
    "Containment",
    "MemberRole",
    "Memory",
    "Reaction",
    "ReactionKind",
    "ReactionQuerySet",
    "State",
    "Trip",
    "Verdict",
]
