"""REVOKE: deactivates an IAM user's access key, or denies a role's existing sessions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError

from actions.aws.outcome import CONFIG, ContainmentError, Outcome, one_by_one
from actions.models import Reaction
from findings.guardduty.parser import Kind
from storage.instants import iso

# The name that the AWS console uses when it revokes a role's sessions.
POLICY_NAME = "AWSRevokeOlderSessions"


def carry_out(session: boto3.Session, reactions: Iterable[Reaction]) -> Iterator[Outcome]:
    """Revokes the credential of each reaction, and yields the outcomes in order."""
    iam = session.client("iam", config=CONFIG)
    sts = session.client("sts", config=CONFIG)

    def revoke(reaction: Reaction) -> str:
        if reaction.target_kind == Kind.ACCESS_KEY:
            return _deactivate(iam, reaction.target)
        return _deny_older_sessions(iam, sts, reaction.target, before=reaction.decided_at)

    yield from one_by_one(reactions, revoke)


def _deactivate(iam: Any, key_id: str) -> str:
    user = iam.get_access_key_last_used(AccessKeyId=key_id).get("UserName")
    if not user or user == "<root_account>":
        raise ContainmentError(
            "The key does not belong to an IAM user, so it is only reported.", permanent=True
        )
    iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")
    return f"The access key of {user} was deactivated."


def _deny_older_sessions(iam: Any, sts: Any, role: str, *, before: datetime) -> str:
    if f":assumed-role/{role}/" in sts.get_caller_identity()["Arn"]:
        raise ContainmentError(
            "The portal itself runs as this role, so revoking it would stop containment.",
            permanent=True,
        )
    instant = iso(before, timespec="milliseconds")
    if (denied := _denied_before(iam, role)) >= instant:
        return f"Sessions issued before {denied} were already denied."
    iam.put_role_policy(
        RoleName=role, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(_policy(instant))
    )
    return f"Sessions issued before {instant} are now denied."


def _policy(instant: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": ["*"],
                "Resource": ["*"],
                "Condition": {"DateLessThan": {"aws:TokenIssueTime": instant}},
            }
        ],
    }


def _denied_before(iam: Any, role: str) -> str:
    """Returns the time in the existing policy, or "". A later time is never moved back."""
    try:
        document = iam.get_role_policy(RoleName=role, PolicyName=POLICY_NAME)["PolicyDocument"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return ""  # or the role does not exist, which the next call reports
        raise
    try:
        found = document["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    except (KeyError, IndexError, TypeError):
        return ""  # a policy in another format, not from us
    return found if document == _policy(found) else ""
