"""REVOKE: an access key is made inactive; the sessions that a role has given out are denied."""

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

# The name under which AWS's own console keeps it when it revokes a role's sessions.
POLICY_NAME = "AWSRevokeOlderSessions"


def carry_out(session: boto3.Session, reactions: Iterable[Reaction]) -> Iterator[Outcome]:
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
            "It is no IAM user's key, so that it is only reported.", permanent=True
        )
    iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")
    return f"The access key of {user} is inactive."


def _deny_older_sessions(iam: Any, sts: Any, role: str, *, before: datetime) -> str:
    if f":assumed-role/{role}/" in sts.get_caller_identity()["Arn"]:
        raise ContainmentError(
            "It is the role that the portal itself runs as: revoking it would end containment.",
            permanent=True,
        )
    instant = iso(before, timespec="milliseconds")
    if (denied := _denied_before(iam, role)) >= instant:
        return f"Sessions issued before {denied} were denied already."
    iam.put_role_policy(
        RoleName=role, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(_policy(instant))
    )
    return f"Sessions issued before {instant} are denied."


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
    """The instant of the policy that is there already, or "": a later one is never moved back."""
    try:
        document = iam.get_role_policy(RoleName=role, PolicyName=POLICY_NAME)["PolicyDocument"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return ""  # also where there is no such role: then the next call says so
        raise
    try:
        found = document["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    except (KeyError, IndexError, TypeError):
        return ""  # somebody else's, in another form
    return found if document == _policy(found) else ""
