"""REVOKE, ISOLATE, DENY and RESTORE: each in the AWS account of its target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import boto3
from django.conf import settings

from actions import memories
from actions.aws import bucket_policy, ec2, iam
from actions.aws.accounts import accounts_of
from actions.aws.outcome import ContainmentError, Outcome, one_by_one
from actions.models import BUCKET_USE, Reaction, ReactionKind
from findings.guardduty.parser import Kind

# Another region can have a resource of the same name.
_IN_A_REGION = {Kind.INSTANCE, Kind.FUNCTION, Kind.TASK, Kind.CLUSTER}

_RESTORE = {Kind.INSTANCE.value: ec2.restore, BUCKET_USE: bucket_policy.restore}


def carry_out(session: boto3.Session, reactions: Iterable[Reaction]) -> Iterator[Outcome]:
    """Contains or restores the target of each reaction, and yields the outcomes in order."""
    accounts = accounts_of(session)

    def act(reaction: Reaction) -> str:
        if reaction.target_kind in _IN_A_REGION and not reaction.its_finding.region:
            raise ContainmentError("The finding names no region.", permanent=True)
        access = accounts.access(reaction.account_id, session_name=reaction.its_finding.finding_id)
        if reaction.kind == ReactionKind.ISOLATE:
            return ec2.isolate(access, reaction)
        if reaction.kind == ReactionKind.REVOKE:
            return iam.revoke(access, reaction)
        if reaction.kind == ReactionKind.DENY:
            own = accounts.access(settings.AWS_ACCOUNT_ID, session_name="")
            return bucket_policy.deny(access, own, reaction)
        restore = _RESTORE.get(reaction.target_kind, iam.restore)
        return memories.conclude(reaction, restore(access, reaction))

    yield from one_by_one(reactions, act)
