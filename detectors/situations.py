"""What the thresholds of an actor depend on: its bucket, its past, and what is new or strange."""

from __future__ import annotations

from collections.abc import Sequence

from detectors import operations, records, rules
from detectors.models import Actor, Bucket
from detectors.rules import HOUR, Situation

# What is no past yet: less than a day, so that what a job did yesterday counts, also if it begins
# earlier today.
RECENT = 22 * HOUR


def of(bucket: Bucket, principal: str, *, is_learning: bool = False) -> Situation:
    """Returns the situation of a principal on a bucket."""
    return Situation(
        bucket.sensitivity,
        is_strange=records.is_stranger(principal),
        floors=bucket.floors or {},
        is_learning=is_learning,
    )


def is_learning(bucket: Bucket, at: int) -> bool:
    """Whether the events of the bucket began less than rules.LEARNING before."""
    return bucket.first_event_at is None or at - bucket.first_event_at < rules.LEARNING


def past_until(bucket: Bucket, actors: Sequence[Actor], at: int) -> int:
    """Returns the time until which what a principal, whose actors these are, did is its past.

    What came just before `at` is none: an attack would be usual when it is repeated. The hours in
    which the bucket was learning count at once, except the last one, if the principal used it in
    the first half of them. Who comes later could prime its past, because the floors are higher.
    """
    learned = _learned_at(bucket)
    if all(one.first_at > learned - rules.LEARNING // 2 for one in actors):
        return at - RECENT
    return max(at - RECENT, min(at, learned) - HOUR)


def is_known(bucket: Bucket, actors: Sequence[Actor], at: int) -> bool:
    """Whether a principal, whose actors these are, first used the bucket a day ago or earlier, or
    while it was learning."""
    return any(_is_usual(bucket, one, at) for one in actors)


def strange(bucket: Bucket, actors: Sequence[Actor], at: int) -> list[Actor]:
    """Returns the actors of a principal whose public network is new, if it has few usual ones."""
    public = [one for one in actors if operations.is_public(one.source)]
    new = [one for one in public if not _is_usual(bucket, one, at)]
    return [] if len(public) - len(new) > rules.NETWORKS_MAX else new


def _is_usual(bucket: Bucket, one: Actor, at: int) -> bool:
    return one.first_at < _learned_at(bucket) or at - one.first_at >= rules.LEARNING


def _learned_at(bucket: Bucket) -> int:
    return (bucket.first_event_at or 0) + rules.LEARNING
