"""The kinds and states of actions, and what can be contained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.db import models

from findings.guardduty.parser import Kind


class ReactionKind(models.TextChoices):
    """The kinds of actions on AWS."""

    BLOCK = "BLOCK", "Block"
    UNBLOCK = "UNBLOCK", "Unblock"
    REVOKE = "REVOKE", "Revoke"
    ISOLATE = "ISOLATE", "Isolate"
    DENY = "DENY", "Deny"
    RESTORE = "RESTORE", "Restore"
    SAVE = "SAVE", "Save"
    NOTIFY = "NOTIFY", "Notify"
    ARCHIVE = "ARCHIVE", "Archive"


class State(models.TextChoices):
    """The states of an action. Only WAITING (for approval) and PENDING change.

    APPROVED is final: the approval adds another action, which is carried out.
    """

    PENDING = "pending", "Pending"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    DRY_RUN = "dry run", "Dry run"
    PREVENTED = "prevented", "Prevented"
    WAITING = "waiting", "Waiting"
    APPROVED = "approved", "Approved"


# The kind of a target that is no entity: a principal on a bucket, as BucketUse writes it.
BUCKET_USE = "use of a bucket"


class Containment(NamedTuple):
    """A kind of containment."""

    # What it can be asked for, by policy or by hand: parser.Kind or BUCKET_USE.
    targets: frozenset[str]
    undone_by: ReactionKind


# The only list of what can be contained and what undoes it. The circuit breaker counts and stops
# these kinds, and not what undoes them.
CONTAINMENTS: Mapping[ReactionKind, Containment] = {
    ReactionKind.BLOCK: Containment(frozenset({Kind.ADDRESS, Kind.DOMAIN}), ReactionKind.UNBLOCK),
    ReactionKind.REVOKE: Containment(
        frozenset({Kind.ACCESS_KEY, Kind.ROLE, Kind.USER, Kind.FUNCTION, Kind.TASK, Kind.CLUSTER}),
        ReactionKind.RESTORE,
    ),
    ReactionKind.ISOLATE: Containment(frozenset({Kind.INSTANCE}), ReactionKind.RESTORE),
    ReactionKind.DENY: Containment(frozenset({BUCKET_USE}), ReactionKind.RESTORE),
}
CONTAINMENT = tuple(CONTAINMENTS)
AT_THE_FIREWALL = (ReactionKind.BLOCK, ReactionKind.UNBLOCK)
IN_AN_ACCOUNT = (
    ReactionKind.REVOKE,
    ReactionKind.ISOLATE,
    ReactionKind.DENY,
    ReactionKind.RESTORE,
)
WITH_AN_END = (ReactionKind.BLOCK, ReactionKind.DENY)  # BLOCK_FOR limits them
LIFTS = tuple(CONTAINMENTS[kind].undone_by for kind in WITH_AN_END)  # what undoes them
# Of these, a later one for the same target waits for an earlier one.
IN_ORDER = (*CONTAINMENT, *(one.undone_by for one in CONTAINMENTS.values()))
