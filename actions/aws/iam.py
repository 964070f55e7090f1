"""REVOKE and RESTORE of credentials in one account.

A key is deactivated. An IAM user gets a policy that denies everything, also in the console, and
all its keys are deactivated. A role gets a policy that denies its existing sessions.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from actions import memories
from actions.aws import role_behind
from actions.aws.accounts import Access
from actions.aws.outcome import ContainmentError
from actions.models import Reaction
from findings.guardduty.parser import Kind
from storage.instants import iso

# The names of inline policies; the AWS console uses the first one when it revokes sessions.
ROLE_POLICY = "AWSRevokeOlderSessions"
USER_POLICY = "ThreatReactionDenyAll"
_DENIES_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": ["*"], "Resource": ["*"]}],
}


class InlinePolicy:
    """Our inline policy of an IAM role or user. The methods raise ClientError."""

    def __init__(self, iam: Any, kind: str, name: str) -> None:
        self._iam, self._kind = iam, kind
        policy = ROLE_POLICY if kind == "role" else USER_POLICY
        self._which = {f"{kind.capitalize()}Name": name, "PolicyName": policy}

    def current(self) -> Any:
        """Returns the document, or None if there is no such policy."""
        try:
            return self._call("get")["PolicyDocument"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchEntity":
                return None  # or the role does not exist, which the next call reports
            raise

    def put(self, document: Any) -> None:
        """Adds or replaces the policy; None deletes it."""
        if document is None:
            self._call("delete")
        else:
            self._call("put", PolicyDocument=json.dumps(document))

    def _call(self, verb: str, **more: str) -> Any:
        return getattr(self._iam, f"{verb}_{self._kind}_policy")(**self._which, **more)


def revoke(access: Access, reaction: Reaction) -> str:
    """Revokes the credential of the reaction, and returns what was done.

    Raises ContainmentError, BotoCoreError or ClientError. Remembers what it changes.
    """
    iam = access.client("iam")
    if reaction.target_kind == Kind.ACCESS_KEY:
        return _revoke_key(access, iam, reaction)
    if reaction.target_kind == Kind.USER:
        _spare_the_portal(access, "user", reaction.target)
        return _revoke_user(iam, reaction)
    role = role_behind.find(access, reaction)
    _spare_the_portal(access, "role", role)
    return _revoke_role(iam, reaction, role)


def restore(access: Access, reaction: Reaction) -> str:
    """Gives back what `revoke` changed, and returns it. Raises as `revoke` does."""
    iam = access.client("iam")
    done = []
    for resource, before in memories.recalled(reaction).items():
        kind, _, name = resource.partition("/")
        if kind == "key":
            done.append(_restore_key(iam, name, before["user"]))
        else:
            done.append(_restore_policy(InlinePolicy(iam, kind, name), f"{kind} {name}", before))
    if not done:
        raise ContainmentError(
            "The portal has no record of a change to give back. Check the target in IAM.",
            permanent=True,
        )
    return " ".join(done)


def _restore_key(iam: Any, key: str, user: str) -> str:
    try:
        iam.update_access_key(UserName=user, AccessKeyId=key, Status="Active")
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return f"The access key {key} of {user} no longer exists."
    return f"The access key {key} of {user} is active."


def _restore_policy(policy: InlinePolicy, owner: str, before: dict[str, Any]) -> str:
    current = policy.current()
    if current not in (before["put"], before["policy"], None):
        raise ContainmentError(
            f"The policy of the {owner} was changed since. Check and remove it in IAM.",
            permanent=True,
        )
    if current == before["put"]:
        policy.put(before["policy"])
    if current is None and before["policy"] is not None:
        return f"The policy of the {owner} was deleted since, and is not given back."
    return f"The policy of the {owner} is as before."


def _spare_the_portal(access: Access, kind: str, name: str) -> None:
    if access.is_caller(kind, name):
        raise ContainmentError(
            f"The portal itself runs as this {kind}, so revoking it would stop containment.",
            permanent=True,
        )


def _revoke_key(access: Access, iam: Any, reaction: Reaction) -> str:
    user = iam.get_access_key_last_used(AccessKeyId=reaction.target).get("UserName")
    if not user or user == "<root_account>":
        raise ContainmentError(
            "The key does not belong to an IAM user, so it is only reported.", permanent=True
        )
    _spare_the_portal(access, "user", user)
    if _deactivate(iam, reaction, user, only=reaction.target):
        return f"The access key of {user} was deactivated."
    return f"The access key of {user} was already inactive."


def _revoke_user(iam: Any, reaction: Reaction) -> str:
    user = reaction.target
    policy = InlinePolicy(iam, "user", user)
    if (current := policy.current()) != _DENIES_ALL:
        before = {"policy": current, "put": _DENIES_ALL}
        memories.remember(reaction, f"user/{user}", before)
        policy.put(_DENIES_ALL)
    count = _deactivate(iam, reaction, user)
    keys = f" Access keys deactivated: {count}." if count else ""
    return f"The policy {USER_POLICY} denies everything to {user}, also in the console.{keys}"


def _deactivate(iam: Any, reaction: Reaction, user: str, *, only: str = "") -> int:
    """Deactivates the user's active keys, or `only` one. Returns how many."""
    listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    active = [one["AccessKeyId"] for one in listed if one["Status"] == "Active"]
    found = [key for key in active if only in {"", key}]
    for key in found:
        memories.remember(reaction, f"key/{key}", {"user": user})
        iam.update_access_key(UserName=user, AccessKeyId=key, Status="Inactive")
    return len(found)


def _revoke_role(iam: Any, reaction: Reaction, role: str) -> str:
    instant = iso(reaction.decided_at, timespec="milliseconds")
    policy = InlinePolicy(iam, "role", role)
    current = policy.current()
    if (denied := _denied_before(current)) >= instant:
        return f"Sessions of {role} issued before {denied} were already denied."
    resource = f"role/{role}"
    earlier = memories.recalled(reaction).get(resource)
    if earlier and current == earlier["put"]:  # ours: what was before it is to be given back
        current = earlier["policy"]
    denies = _denies_before(instant)
    memories.remember(reaction, resource, {"policy": current, "put": denies})
    policy.put(denies)
    return f"Sessions of {role} issued before {instant} are now denied."


def _denies_before(instant: str) -> dict[str, Any]:
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


def _denied_before(document: Any) -> str:
    """Returns the time in a policy, or "". A later time is never moved back."""
    try:
        found = document["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    except (KeyError, IndexError, TypeError):
        return ""  # no policy, or one in another format, not from us
    return found if document == _denies_before(found) else ""
