"""Archives findings in GuardDuty that were contained or closed, if ARCHIVE_FINDINGS is on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from actions import paths
from actions.models import CONTAINMENT, Reaction, ReactionKind, State
from findings.catalogue import Source, source_of
from findings.models import Finding


def is_on() -> bool:
    """Returns whether findings are archived in GuardDuty; False for an invalid value."""
    return bool(settings.ARCHIVE_FINDINGS == "on")


def contained(finding_pks: Iterable[int | None], *, at: datetime) -> None:
    """Adds the archiving of those findings that are contained, once.

    None of their containments is pending, failed or without a path, and at least one of each kind
    is done. The others must not be done, such as that of an address on the allowlist.
    """
    if not is_on():
        return
    containments = Reaction.objects.filter(finding=OuterRef("pk"), kind__in=CONTAINMENT)
    done_alike = Reaction.objects.filter(
        finding=OuterRef("finding"), kind=OuterRef("kind"), state=State.DONE
    )
    open_ones = (
        Q(state__in=[State.PENDING, State.WAITING, State.FAILED])
        | Q(state=State.PREVENTED, outcome__startswith=paths.NO_PATH)
        | (Q(state=State.PREVENTED) & ~Exists(done_alike))
    )
    rows = Finding.objects.filter(
        Exists(containments.filter(state=State.DONE)),
        ~Exists(containments.filter(open_ones)),
        pk__in=[pk for pk in finding_pks if pk],
    )
    _ask(rows, "Contained, and ARCHIVE_FINDINGS is on.", at=at)


def closed(finding_pks: Iterable[int], *, at: datetime) -> None:
    """Adds the archiving of findings that a person closed, once."""
    if is_on():
        rows = Finding.objects.filter(pk__in=list(finding_pks))
        _ask(rows, "Closed, and ARCHIVE_FINDINGS is on.", at=at)


def when_closed(sender: object, *, pks: Iterable[int], at: datetime, **more: object) -> None:
    """Receives the signal `findings.signals.closed`."""
    closed(pks, at=at)


def _ask(findings: QuerySet[Finding], why: str, *, at: datetime) -> None:
    Reaction.objects.bulk_create(
        [
            Reaction(
                finding=finding,
                finding_type=finding.finding_type,
                finding_account_id=finding.account_id,
                kind=ReactionKind.ARCHIVE,
                target_kind="finding",
                target=finding.finding_id,
                account_id=finding.account_id,
                why=why,
                state=State.PENDING,
                decided_at=at,
                due_at=at,
            )
            for finding in findings.only("finding_id", "finding_type", "account_id")
            if source_of(finding_type=finding.finding_type) == Source.GUARDDUTY
        ],
        ignore_conflicts=True,  # it was asked for before
    )
