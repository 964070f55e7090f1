"""REVOKE and RESTORE of credentials in one account.

A key is deactivated. An IAM user gets a policy that denies everything, also in the console, and
all its keys are deactivated. A role gets a policy that denies its existing sessions, and so does an
IAM user that issued a federated session: only its temporary keys have an issue time, so the user
itself goes on.
"""

from __future__ import annotations

import json
import re
from typing import Any

from botocore.exceptions import ClientError
from django.utils import timezone

from actions import memories, safeguards
from actions.aws import role_behind, session_issuer
from actions.aws.accounts import Access
from actions.aws.outcome import ContainmentError
from actions.memories import Restored
from actions.models import Allowance, Reaction
from findings.guardduty.parser import Kind
from storage import instants
from storage.instants import iso

# The names of inline policies; the AWS console uses the first one when it revokes sessions.
SESSIONS_POLICY = "AWSRevokeOlderSessions"
USER_POLICY = "ThreatReactionDenyAll"
_OWNERS = {"role": "role", "user": "user", "sessions": "user"}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_DENIES_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": ["*"], "Resource": ["*"]}],
}


class InlinePolicy:
    """Our inline policy of an IAM role or user. The methods raise ClientError.

    `kind` is "role", "user" or "sessions": those that a user issued.
    """

    def __init__(self, iam: Any, kind: str, owner: str) -> None:
        self._iam, self._kind = iam, "role" if kind == "role" else "user"
        self.name = USER_POLICY if kind == "user" else SESSIONS_POLICY
        self._which = {f"{self._kind.capitalize()}Name": owner, "PolicyName": self.name}

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
    parsed = reaction.its_finding.parsed
    if parsed and safeguards.is_federated(reaction.target_kind, reaction.target, parsed):
        kind, name = session_issuer.find(access, reaction, parsed)
        _spare(access, reaction, kind, name)
        return _revoke_sessions(iam, reaction, "role" if kind == "role" else "sessions", name)
    if reaction.target_kind == Kind.USER:
        _spare_the_portal(access, "user", reaction.target)
        return _revoke_user(iam, reaction)
    role = role_behind.find(access, reaction)
    _spare(access, reaction, "role", role)
    return _revoke_sessions(iam, reaction, "role", role)


def restore(access: Access, reaction: Reaction) -> Restored:
    """Gives back what `revoke` changed, except what others changed since. Raises as it does."""
    iam = access.client("iam")
    told: list[str] = []
    left: list[str] = []
    for resource, memory in memories.recalled(reaction).items():
        kind, _, name = resource.partition("/")
        if kind == "key":
            told.append(_restore_key(iam, name, memory.before["user"]))
            continue
        policy, owner = InlinePolicy(iam, kind, name), f"{_OWNERS[kind]} {name}"
        current = policy.current()
        if current in (memory.before["put"], memory.before["policy"], None):
            told.append(_restore_policy(policy, owner, memory.before, current))
        else:
            left.append(
                f"Somebody has changed the policy {policy.name} of the {owner} since"
                f" {instants.human(memory.at)}. It was left, and is: {memories.shown(current)}"
            )
    if not told and not left:
        left = ["The portal has no record of a change to give back. Check the target in IAM."]
    return Restored(told, left)


def _restore_key(iam: Any, key: str, user: str) -> str:
    try:
        iam.update_access_key(UserName=user, AccessKeyId=key, Status="Active")
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return f"The access key {key} of {user} no longer exists."
    return f"The access key {key} of {user} is active."


def _restore_policy(policy: InlinePolicy, owner: str, before: dict[str, Any], current: Any) -> str:
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


def _spare(access: Access, reaction: Reaction, kind: str, name: str) -> None:
    """Raises ContainmentError for what AWS has named and the finding has not, if it is allowed."""
    _spare_the_portal(access, kind, name)
    finding_type = reaction.its_finding.finding_type
    if allowed := Allowance.objects.sparing(kind, name, finding_type, at=timezone.now()):
        raise ContainmentError(
            f"Reported only: the {kind} {name} is on the allowlist for"
            f" {allowed.finding_type or 'every finding type'}.",
            prevented=True,
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


def _revoke_sessions(iam: Any, reaction: Reaction, kind: str, name: str) -> str:
    instant = iso(reaction.decided_at, timespec="milliseconds")
    policy = InlinePolicy(iam, kind, name)
    current = policy.current()
    if (denied := _denied_before(current)) >= instant:
        return f"Sessions of {name} issued before {denied} were already denied."
    resource = f"{kind}/{name}"
    earlier = memories.recalled(reaction).get(resource)
    if earlier and current == earlier.before["put"]:  # ours: what was before it is to be given back
        current = earlier.before["policy"]
    denies = _denies_before(instant)
    memories.remember(reaction, resource, {"policy": current, "put": denies})
    policy.put(denies)
    return f"Sessions of {name} issued before {instant} are now denied."


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
    # Others can write a list, or seconds, which cannot be compared as text.
    is_instant = isinstance(found, str) and _INSTANT.fullmatch(found)
    return found if is_instant and document == _denies_before(found) else ""
