"""What the thresholds of an actor depend on: its bucket, its past, and what is new or strange."""

from __future__ import annotations

from collections.abc import Sequence

from detectors import operations, records, rules
from detectors.models import Actor, Bucket
from detectors.rules import HOUR, Situation

# It is less than a day, so that what a job did yesterday counts, also if it begins earlier today.
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


def past_until(bucket: Bucket, at: int) -> int:
    """Returns the time until which what an actor did is its past.

    What came just before `at` is none: an attack would be usual when it is repeated. The hours in
    which the bucket was learning count at once, except the last one.
    """
    learned = (bucket.first_event_at or 0) + rules.LEARNING
    return max(at - RECENT, min(at - HOUR, learned))


def is_known(actors: Sequence[Actor], at: int) -> bool:
    """Whether the principal, whose actors these are, used the bucket a day before."""
    return any(at - one.first_at >= rules.LEARNING for one in actors)


def strange(actors: Sequence[Actor], at: int) -> list[Actor]:
    """Returns the actors of a principal whose public network is new, if its networks are few."""
    if len(actors) > rules.NETWORKS_MAX:
        return []
    new = [one for one in actors if at - one.first_at < rules.LEARNING]
    return [one for one in new if operations.is_public(one.source)]
