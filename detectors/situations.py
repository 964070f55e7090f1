"""What the thresholds of an actor depend on: its bucket, and what is new or strange there."""

from __future__ import annotations

from collections.abc import Sequence

from detectors import records, rules
from detectors.models import Actor, Bucket
from detectors.rules import Situation


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


def strange(actors: Sequence[Actor], at: int) -> list[Actor]:
    """Returns the actors of a known principal whose network is new, if its networks are few."""
    known = [one for one in actors if at - one.first_at >= rules.LEARNING]
    if not known or len(actors) > rules.NETWORKS_MAX:
        return []
    return [one for one in actors if one not in known and "/" in one.source]
