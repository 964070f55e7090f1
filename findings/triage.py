"""Triage: the status, the assignee and the notes of findings, and the log of what was done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from findings import signals
from findings.models import CLOSED, Finding, TriageEntry
from storage import bulk

if TYPE_CHECKING:
    from findings.policy import Author

MAX_FINDINGS = 1000  # in one request
NOTE_MAX_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Change:
    """What to do to findings. The defaults change nothing."""

    status: str = ""  # "" keeps it
    assigns: bool = False  # whether to set the assignee
    assignee: User | None = None  # None removes the assignee
    note: str = ""


def assignable() -> QuerySet[User]:
    """Returns the users to whom findings can be assigned: those who may triage, by name."""
    may = User.objects.with_perm(
        "findings.triage_finding", backend="django.contrib.auth.backends.ModelBackend"
    )
    return may.order_by("username")


@transaction.atomic
def triage(
    pks: Iterable[int], change: Change, *, by: Author, source: TriageEntry.Source, at: datetime
) -> set[int]:
    """Applies a change to findings, and logs it for each finding that it changes.

    Returns the primary keys of these. Ignores those that do not exist. A note alone is a change.
    Runs a constant number of queries.
    """
    rows = Finding.objects.filter(pk__in=set(pks)).order_by("pk").select_for_update(no_key=True)
    found = list(rows.values_list("pk", "status", "assignee_id"))
    names = dict(
        User.objects.filter(pk__in={assignee for _, _, assignee in found}).values_list(
            "pk", "username"
        )
    )
    entries: list[TriageEntry] = []
    moved: list[int] = []
    assigned: list[int] = []
    assignee_pk = change.assignee.pk if change.assignee else None
    for pk, status, had in found:
        is_moved = bool(change.status) and change.status != status
        is_assigned = change.assigns and assignee_pk != had
        if not (is_moved or is_assigned or change.note):
            continue
        if is_moved:
            moved.append(pk)
        if is_assigned:
            assigned.append(pk)
        before = names.get(had, "")
        after = change.assignee.username if change.assignee else ""
        entries.append(
            TriageEntry(
                finding_id=pk,
                at=at,
                by=by.user,
                by_name=by.name,
                client_id=by.client_id,
                source=source,
                status_before=status,
                status_after=change.status or status,
                assignee_before=before,
                assignee_after=after if change.assigns else before,
                note=change.note,
            )
        )
    Finding.objects.filter(pk__in=moved).update(
        status=change.status, closed_at=at if change.status in CLOSED else None
    )
    if moved and change.status in CLOSED:
        signals.closed.send(Finding, pks=moved, at=at)
    Finding.objects.filter(pk__in=assigned).update(assignee=assignee_pk)
    bulk.insert(
        TriageEntry,
        _COLUMNS,
        ([getattr(entry, name) for name in _COLUMNS] for entry in entries),
    )
    return {entry.finding_id for entry in entries}


_COLUMNS = [field.attname for field in TriageEntry._meta.concrete_fields if not field.primary_key]


def log_of(finding: Finding) -> QuerySet[TriageEntry]:
    """Returns the triage log of a finding, newest first."""
    return TriageEntry.objects.filter(finding=finding).order_by("-pk")
