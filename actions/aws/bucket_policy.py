"""DENY and RESTORE of a principal on a bucket: one statement in the policy of the bucket.

S3 has no conditional write of a policy. So the worker reads it again right before it writes, and
once more after it, and of the portal's workers only one at a time changes the policy of a bucket.
What others write between the last read and the write, which follow each other, is lost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError
from django.db import connection, transaction

from actions import memories, paths, safeguards
from actions.aws.accounts import Access
from actions.aws.outcome import ContainmentError
from actions.memories import Restored
from actions.models import Reaction
from findings.guardduty.parser import BucketUse, Kind
from storage.locks import advisory_lock

SIZE_MAX = 20 * 1024  # bytes, without spaces
_VERSION = "2012-10-17"


class BucketPolicy:
    """The policy of a bucket. The methods raise ClientError and ContainmentError."""

    def __init__(self, access: Access, reaction: Reaction, bucket: str) -> None:
        self._s3 = access.client("s3", region=reaction.its_finding.region)
        # A bucket of this name can be somebody else's by now.
        self._which = {"Bucket": bucket, "ExpectedBucketOwner": access.account_id}

    def read(self) -> dict[str, Any]:
        """Returns the document; one without statements if there is none."""
        try:
            said = self._s3.get_bucket_policy(**self._which)["Policy"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
            return {"Version": _VERSION, "Statement": []}
        document: dict[str, Any] = json.loads(said)
        return document

    def change(self, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Replaces the document by the changed one, which must differ."""
        document = changed(self.read())
        if statements(document):
            self._s3.put_bucket_policy(**self._which, Policy=_packed(document))
        else:
            self._s3.delete_bucket_policy(**self._which)


def statements(document: dict[str, Any]) -> list[Any]:
    """Returns the statements, which a policy gives as one or as a list of them."""
    found = document.get("Statement", [])
    return list(found) if isinstance(found, list) else [found]


def statement(use: BucketUse, partition: str) -> dict[str, Any]:
    """Returns the statement that denies the principal everything on the bucket.

    It has a condition and no principal of its own: S3 would replace that by an ID when the role is
    deleted, and then refuse the policy.
    """
    name, value = safeguards.denied_by(use.principal)
    operator = "StringLike" if isinstance(value, list) else "StringEquals"
    arn = f"arn:{partition}:s3:::{use.bucket}"
    return {
        "Sid": _sid(use.principal),
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {operator: {name: value}},
    }


def deny(access: Access, own: Access, reaction: Reaction) -> str:
    """Denies the principal, and returns what was done. `own` is of the portal's own account.

    Raises ContainmentError, BotoCoreError or ClientError. Remembers the statement before it adds
    it.
    """
    if not paths.BUCKET_POLICIES.is_set_up:
        raise ContainmentError(paths.none_for(Kind.BUCKET), prevented=True)
    use = BucketUse.of(reaction.target)
    if refused := safeguards.against_denying(use, caller=own.arn):
        raise ContainmentError(refused, permanent=True)
    policy = BucketPolicy(access, reaction, use.bucket)
    ours = statement(use, access.arn.split(":")[1])

    def with_ours(document: dict[str, Any]) -> dict[str, Any]:
        changed = document | {"Statement": [*_others(document, ours), ours]}
        _check(use, changed, ours)
        return changed

    document = policy.read()
    if any(_is_same(one, ours) for one in statements(document)):
        return f"The policy of {use.bucket} already denies it everything."
    with_ours(document)
    memories.remember(reaction, f"policy/{use.bucket}", {"put": ours})
    with _alone(use.bucket):
        policy.change(with_ours)
        if not any(_has_sid(one, ours) for one in statements(policy.read())):
            raise ContainmentError("Somebody replaced the policy of the bucket at the same time.")
    return f"The statement {ours['Sid']} in the policy of {use.bucket} denies it everything."


def restore(access: Access, reaction: Reaction) -> Restored:
    """Removes the statement, except if somebody changed it. Raises as `deny` does."""
    use = BucketUse.of(reaction.target)
    memory = memories.recalled(reaction).get(f"policy/{use.bucket}")
    if memory is None:  # it never got so far as to change anything, or found it already there
        return Restored([f"The portal changed nothing in the policy of {use.bucket}."], [])
    ours = memory.before["put"]
    policy = BucketPolicy(access, reaction, use.bucket)
    try:
        found = [one for one in statements(policy.read()) if _has_sid(one, ours)]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        return Restored([f"The bucket {use.bucket} no longer exists."], [])
    if not found:
        return Restored([f"The policy of {use.bucket} no longer has the statement."], [])
    if not all(_is_same(one, ours) for one in found):
        return Restored(
            [],
            [
                f"Somebody has changed the statement {ours['Sid']} in the policy of {use.bucket}."
                f" It was left, and is: {memories.shown(found)}"
            ],
        )
    with _alone(use.bucket):
        policy.change(lambda document: document | {"Statement": _others(document, ours)})
        if any(_has_sid(one, ours) for one in statements(policy.read())):
            raise ContainmentError("Somebody replaced the policy of the bucket at the same time.")
    return Restored([f"The policy of {use.bucket} no longer denies it."], [])


def _check(use: BucketUse, changed: dict[str, Any], ours: dict[str, Any]) -> None:
    if sum(_has_sid(one, ours) for one in statements(changed)) > 1:
        raise ContainmentError(
            f"The policy of {use.bucket} has another statement with the Sid {ours['Sid']}, which"
            " the portal did not write. Nothing was changed.",
            permanent=True,
        )
    if (size := len(_packed(changed).encode())) > SIZE_MAX:
        raise ContainmentError(
            f"The policy of {use.bucket} has no room: with the statement it would have {size}"
            f" bytes, and S3 takes {SIZE_MAX}. Nothing was changed.",
            permanent=True,
        )


def _others(document: dict[str, Any], ours: dict[str, Any]) -> list[Any]:
    return [one for one in statements(document) if not _is_same(one, ours)]


def _is_same(one: Any, ours: Any) -> bool:
    """Whether a statement says the same: a list in another order does, and one value for a list.

    AWS does not promise to return a policy letter by letter.
    """
    return bool(_in_order(one) == _in_order(ours))


def _in_order(said: Any) -> Any:
    if isinstance(said, dict):
        return {key: _in_order(value) for key, value in said.items()}
    return sorted(map(json.dumps, said if isinstance(said, list) else [said]))


def _has_sid(one: Any, ours: dict[str, Any]) -> bool:
    return isinstance(one, dict) and one.get("Sid") == ours["Sid"]


def _sid(principal: str) -> str:
    return f"ThreatReactionDeny{hashlib.sha256(principal.encode()).hexdigest()[:16]}"


def _packed(document: dict[str, Any]) -> str:
    # An escape would take twice the room of a character.
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


@contextmanager
def _alone(bucket: str) -> Iterator[None]:
    """Keeps other workers from the policy. On SQLite, that would keep everybody from writing."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic():
        advisory_lock(f"actions.bucket_policy {bucket}")
        yield
