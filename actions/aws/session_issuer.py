"""The IAM user or role that issued the session of a federated user.

A finding names the federated user and its temporary key. CloudTrail names the issuer in each call
with the key, for 90 days, but some minutes late.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from actions.aws.accounts import Access
from actions.aws.outcome import ContainmentError
from actions.models import Reaction
from actions.safeguards import temporary_keys
from findings.guardduty.lenient_json import field, from_json, text_in
from findings.guardduty.parser import ENTITY_NAME_MAX_LENGTH, ParsedFinding

LATEST = timedelta(minutes=20)  # CloudTrail shows a call within 15 minutes


def find(access: Access, reaction: Reaction, parsed: ParsedFinding) -> tuple[str, str]:
    """Returns "user" or "role", and its name.

    Raises ContainmentError if CloudTrail does not tell (it is tried again until LATEST),
    BotoCoreError and ClientError.
    """
    trail = access.client("cloudtrail", region=reaction.its_finding.region)
    for key in temporary_keys(reaction.target, parsed):
        asked = [{"AttributeKey": "AccessKeyId", "AttributeValue": key}]
        for event in trail.lookup_events(LookupAttributes=asked)["Events"]:
            if arn := _issuer_in(event):
                return _named(arn, access.account_id)
    if timezone.now() < reaction.decided_at + LATEST:
        raise ContainmentError(
            f"CloudTrail shows no call of {reaction.target} in {parsed.region} yet. It shows calls"
            " some minutes late."
        )
    raise ContainmentError(
        f"It is a federated user, and CloudTrail shows no call with its key in {parsed.region}, so"
        " the IAM user or role that issued its session is unknown. Find the call of"
        f" GetFederationToken for {reaction.target} in CloudTrail, and revoke that user.",
        prevented=True,
    )


def _issuer_in(event: Any) -> str:
    """Returns the ARN of the issuer in an event of CloudTrail, or ""."""
    identity = field(from_json(field(event, "CloudTrailEvent")), "userIdentity")
    issuer = field(identity, "sessionContext", "sessionIssuer", "arn")
    return text_in(issuer, ENTITY_NAME_MAX_LENGTH)


def _named(arn: str, account_id: str) -> tuple[str, str]:
    if arn.split(":")[4:5] != [account_id]:
        raise ContainmentError(f"The session was issued in another account: {arn}.", prevented=True)
    kind = arn.rpartition(":")[2].partition("/")[0]
    if kind not in {"user", "role"}:
        raise ContainmentError(
            f"{arn} issued the session, which nobody can limit. Rotate its credentials.",
            prevented=True,
        )
    return kind, arn.rpartition("/")[2]
