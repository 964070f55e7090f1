"""SAVE: stores the raw finding as an object in S3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import boto3
from django.conf import settings

from actions.aws.outcome import CONFIG, ContainmentError, Outcome, one_by_one
from actions.models import Reaction


def carry_out(session: boto3.Session, reactions: Iterable[Reaction]) -> Iterator[Outcome]:
    """Saves the finding of each reaction to SAVE_BUCKET, and yields the outcomes in order."""
    s3 = session.client("s3", config=CONFIG)

    def save(reaction: Reaction) -> str:
        if not settings.SAVE_BUCKET:
            raise ContainmentError("SAVE_BUCKET is not set.")
        answer = s3.put_object(
            Bucket=settings.SAVE_BUCKET,
            Key=reaction.target,
            Body=reaction.its_finding.raw.encode(),
            ContentType="application/json",
        )
        return f"Saved in {settings.SAVE_BUCKET}, ETag {answer['ETag']}."

    yield from one_by_one(reactions, save)
