"""Judges the sums that have changed, and raises findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef

from detectors import bounds, changes, episodes, rules, situations
from detectors.bounds import SLOT
from detectors.counting import Added
from detectors.credentials import of_credential
from detectors.models import Actor, Episode, Sum
from detectors.operations import Operation
from detectors.records import Counted
from detectors.rules import HOUR, FindingType, Signal
from detectors.volumes import of_newcomers, of_volumes
from findings import signals


def judge(
    added: Iterable[Added],
    counted: Counted,
    *,
    at: datetime,
    spared: Collection[tuple[str, str]] = (),
) -> int:
    """Raises and updates findings in the current transaction. Returns how many.

    `spared` are names of buckets with a principal that its tags allow there.

    Depends on the times of the events, not on `at`, the time of arrival. The rows of the buckets
    must be locked.
    """
    raised: list[dict[str, Any]] = []
    for one in added:
        of_bucket = {principal for name, principal in spared if name == one.bucket.name}
        raised += episodes.findings(one.bucket, _signals(one, counted, of_bucket), counted)
    # Together: ingest locks sums of findings until the commit, in an order of its own.
    if raised:
        signals.detected.send(None, findings=raised, at=at)
    return len(raised)


def _signals(added: Added, counted: Counted, spared: Collection[str]) -> list[tuple[str, Signal]]:
    bucket, since, until = added.bucket, added.since, added.until

    def is_allowed(principal: str) -> bool:
        return principal in spared or bucket.allows(principal)

    found = []
    for change in counted.changes:
        is_ours = change.bucket == bucket.name and not is_allowed(change.principal)
        if is_ours and (signal := changes.signal_of(change)):
            found.append((change.principal, signal))
    actors: dict[str, list[Actor]] = defaultdict(list)
    for actor in Actor.objects.filter(bucket=bucket, principal__in=added.principals):
        if not bucket.allows_source(actor.source):
            actors[actor.principal].append(actor)
    judged = {
        principal: rows
        for principal, rows in sorted(actors.items())
        if any(one.pk in added.actors for one in rows) and not is_allowed(principal)
    }
    listed = _listed_buckets(added, judged)
    for principal, rows in judged.items():
        if sign := _canary(added, rows):
            found.append((principal, rules.unauthorized(sign, first_at=since, last_at=until)))
        situation = situations.of(bucket, principal)
        signal = rules.many_buckets(
            listed.get(principal, 0), situation, first_at=since, last_at=until
        )
        if signal:
            found.append((principal, signal))
        found += [(principal, signal) for signal in of_credential(added, rows)]
    found += of_volumes(added, judged)
    if not any(signal.finding_type == FindingType.EXFILTRATION for _, signal in found):
        found += [(bounds.OTHERS, signal) for signal in of_newcomers(added, judged, is_allowed)]
    return found


def _canary(added: Added, actors: Sequence[Actor]) -> str:
    if added.bucket.is_canary:
        return "Nobody uses this bucket: it is a canary."
    if any(one.pk in added.touched for one in actors):
        return "A canary key was used, which nobody uses."
    return ""


def _listed_buckets(added: Added, actors: Mapping[str, Sequence[Actor]]) -> dict[str, int]:
    """Returns how many buckets each principal listed, or tried to, that it did not use before.

    Buckets that are learning do not count. Returns no principal that an enumeration of another
    bucket is told of: many buckets are one finding.
    """
    before = added.since - HOUR
    new = [
        principal
        for principal, rows in actors.items()
        if principal != bounds.OTHERS and min(row.first_at for row in rows) > before
    ]
    if not new:
        return {}
    known = Actor.objects.filter(
        bucket=OuterRef("bucket"), principal=OuterRef("principal"), first_at__lte=before
    )
    lists = Sum.objects.filter(
        actor=OuterRef("pk"), operation__in=[Operation.LIST, Operation.FAILED]
    )
    told = Episode.objects.filter(
        finding_type=FindingType.ENUMERATION, principal__in=new, last_at__gt=before
    ).exclude(bucket=added.bucket)
    rows = Actor.objects.filter(
        Exists(lists),
        ~Exists(known),
        principal__in=new,
        first_at__gt=before,
        first_at__lte=added.until + SLOT,
        bucket__first_event_at__lte=added.since - rules.LEARNING,
    ).exclude(principal__in=told.values("principal"))
    counts = rows.values_list("principal").annotate(n=Count("bucket", distinct=True))
    return dict(counts)
