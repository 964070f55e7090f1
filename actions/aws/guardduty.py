"""ARCHIVE: archives the finding in GuardDuty, in the account of the portal.

Only the administrator account of GuardDuty can archive findings of its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import boto3
from django.conf import settings

from actions.aws.accounts import accounts_of
from actions.aws.outcome import ContainmentError, Outcome, one_by_one
from actions.models import Reaction


def carry_out(session: boto3.Session, reactions: Iterable[Reaction]) -> Iterator[Outcome]:
    """Archives the finding of each reaction, and yields the outcomes in order."""
    detectors: dict[str, str] = {}

    def archive(reaction: Reaction) -> str:
        region = reaction.its_finding.region
        access = accounts_of(session).access(settings.AWS_ACCOUNT_ID, session_name="")
        guardduty = access.client("guardduty", region=region)
        if region not in detectors:
            listed = guardduty.list_detectors()["DetectorIds"]
            if not listed:
                raise ContainmentError(
                    f"GuardDuty is not enabled in {access.account_id} in {region}.", permanent=True
                )
            detectors[region] = listed[0]
        guardduty.archive_findings(DetectorId=detectors[region], FindingIds=[reaction.target])
        return "Archived in GuardDuty."

    yield from one_by_one(reactions, archive)
