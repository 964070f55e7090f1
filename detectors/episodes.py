"""Finds the episode of an attack, and writes its finding.

An attack that goes on is one episode and one finding, which is updated. Call this only while the
rows of the buckets are locked, so that two workers do not raise two findings for one attack.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings

from detectors import bounds, document, records, rules
from detectors.document import Evidence, Who
from detectors.models import Actor, Bucket, Episode
from detectors.operations import Operation
from detectors.records import Counted
from detectors.rules import DAY, FindingType, Signal

SIGNS_MAX = 20
STRANGERS_MAX = 20  # findings about strangers that go on at a time, on one bucket
DISARMED_FOR = DAY  # after a change of the settings, deletions are graver


def findings(
    bucket: Bucket, found: Sequence[tuple[str, Signal]], counted: Counted
) -> Iterator[dict[str, Any]]:
    """Yields a finding for each principal and type: a new one, or that of the attack that goes on.

    `found` are the signals, each with its principal.
    """
    by_type: dict[tuple[str, str], list[Signal]] = defaultdict(list)
    for principal, signal in found:
        by_type[principal, signal.finding_type].append(signal)
    for (principal, finding_type), together in sorted(by_type.items()):
        worst = max(together, key=lambda one: (one.severity, one.amount))
        first_at = min(one.first_at for one in together)
        last_at = max(one.last_at for one in together)
        severity = _with_signs(worst.severity, bucket, finding_type, together, first_at)
        signs = list(dict.fromkeys(one.sign for one in together))
        episode = _episode(bucket, finding_type, principal, first_at, last_at, severity, signs)
        yield document.finding(
            finding_id=episode.finding_id,
            finding_type=finding_type,
            severity=episode.severity,
            bucket=bucket.name,
            account_id=episode.account_id,
            region=episode.region,
            who=_who(bucket, episode.principal),
            evidence=Evidence(
                signs,
                worst.words,
                worst.amount,
                worst.baseline,
                worst.threshold,
                worst.window,
                _examples(counted, bucket.name, principal, finding_type),
            ),
            count=episode.times,
            first_at=episode.first_at,
            last_at=episode.last_at,
        )


def _with_signs(
    severity: float, bucket: Bucket, finding_type: str, together: Sequence[Signal], at: int
) -> float:
    """Returns the severity, which is higher if the bucket was disarmed before its objects go."""
    if finding_type != FindingType.DELETE or all(one.words == "changes" for one in together):
        return severity
    disarmed = any(one.words == "changes" for one in together) or any(
        not sign[:1].isdigit()
        for signs in Episode.objects.filter(
            bucket=bucket,
            finding_type=FindingType.DELETE,
            last_at__gte=at - DISARMED_FOR,
            first_at__lte=at + DISARMED_FOR,
        ).values_list("signs", flat=True)
        for sign in signs
    )
    return max(severity, 9.0) if disarmed else severity


def _episode(
    bucket: Bucket,
    finding_type: str,
    principal: str,
    first_at: int,
    last_at: int,
    severity: float,
    signs: Sequence[str],
) -> Episode:
    def goes_on(who: str) -> Episode | None:
        near = Episode.objects.filter(
            bucket=bucket,
            finding_type=finding_type,
            principal=who,
            last_at__gte=first_at - rules.QUIET,
            first_at__lte=last_at + rules.QUIET,
        )
        return near.order_by("-last_at").first()

    near = goes_on(principal)
    if near is None and _are_too_many(bucket, principal, first_at):
        principal = bounds.OTHERS
        near = goes_on(principal)
    if near is None:
        account_id, region = _place(bucket)
        return Episode.objects.create(
            finding_id=uuid.uuid4().hex,
            account_id=account_id,
            region=region,
            bucket=bucket,
            finding_type=finding_type,
            principal=principal,
            first_at=first_at,
            last_at=last_at,
            severity=severity,
            signs=list(signs),
        )
    near.first_at = min(near.first_at, first_at)
    near.last_at = max(near.last_at, last_at)
    near.severity = max(near.severity, severity)
    near.times += 1
    # The volumes change with each update; the changes of the settings stay.
    near.signs = list(
        dict.fromkeys([*(one for one in near.signs if not one[:1].isdigit()), *signs])
    )[:SIGNS_MAX]
    near.save()
    return near


def _are_too_many(bucket: Bucket, principal: str, at: int) -> bool:
    """Whether so many strangers attack the bucket that further ones share a finding."""
    if not records.is_stranger(principal):
        return False
    recent = Episode.objects.filter(bucket=bucket, last_at__gte=at - rules.QUIET)
    names = recent.values_list("principal", flat=True)
    return sum(map(records.is_stranger, names)) >= STRANGERS_MAX


def _place(bucket: Bucket) -> tuple[str, str]:
    """Returns the account and region of the bucket, which not every record names."""
    rows = Actor.objects.filter(bucket=bucket).exclude(bucket_account="").order_by("-last_at")
    account_id, region = rows.values_list("bucket_account", "region").first() or ("", "")
    return account_id or settings.AWS_ACCOUNT_ID, region


def _who(bucket: Bucket, principal: str) -> Who:
    rows = Actor.objects.filter(bucket=bucket, principal=principal).order_by("-last_at", "-pk")
    row = rows.values(*Who._fields).first()
    return Who(**row) if row else Who(principal)


def _examples(counted: Counted, bucket: str, principal: str, finding_type: str) -> list[str]:
    operations: set[str] = set()
    for measure in rules.MEASURES:
        if measure.finding_type == finding_type:
            operations |= set(measure.weights)
    touched = counted.examples.get((bucket, principal, Operation.CANARY))
    if touched and finding_type == FindingType.UNAUTHORIZED_USE:
        return touched
    keys = [
        key
        for (name, who, operation), some in counted.examples.items()
        if (name, who) == (bucket, principal) and (operation in operations or not operations)
        for key in some
    ]
    return sorted(set(keys))[: bounds.EXAMPLES]
