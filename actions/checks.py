"""System checks of the containment settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from actions import containment, durations, limits, members, safeguards
from actions.aws import domain_lists, prefix_lists, wafv2
from actions.retention import places
from findings import retention
from storage.triggers import RETAINED_DAYS


@register(Tags.security)
def check_containment(**kwargs: Any) -> Iterator[CheckMessage]:
    """Yields an error or a warning for each setting that makes containment wrong or ineffective."""
    if settings.CONTAINMENT not in {containment.ON, containment.DRY_RUN}:
        yield Error(
            f"CONTAINMENT has the invalid value {settings.CONTAINMENT!r}.",
            hint='Set it to "on", or to "dry-run", which only logs what would be done.',
            id="actions.E001",
        )
    try:
        safeguards.never_block()
    except ValueError as error:
        yield Error(
            f"NEVER_BLOCK contains an invalid network: {error}.",
            hint="Set it to comma-separated CIDRs, for example 203.0.113.0/24,2001:db8::/32.",
            id="actions.E002",
        )
    try:
        wafv2.LISTS.configured()
    except ValueError as error:
        yield Error(
            f"BLOCK_IP_SETS contains {error}, which is not the ARN of a WAFv2 IP set.",
            hint="Set it to comma-separated ARNs. `aws wafv2 list-ip-sets --scope REGIONAL` prints"
            " them.",
            id="actions.E003",
        )
    for name, path, hint in (
        (
            "BLOCK_PREFIX_LISTS",
            prefix_lists.LISTS,
            "the ARN of an EC2 prefix list. `aws ec2 describe-managed-prefix-lists` prints them",
        ),
        (
            "BLOCK_DOMAIN_LISTS",
            domain_lists.LISTS,
            "the ARN of a DNS Firewall domain list. `aws route53resolver"
            " list-firewall-domain-lists` prints them",
        ),
    ):
        try:
            path.configured()
        except ValueError as error:
            yield Error(
                f"{name} contains {error}, which is not the ARN of such a list.",
                hint=f"Set each item of {name} to {hint}.",
                id="actions.E009",
            )
    yield from _lists_out_of_reach()
    for name in ("ISOLATION", "ARCHIVE_FINDINGS"):
        if (value := getattr(settings, name)) not in {"on", "off"}:
            yield Error(
                f"{name} has the invalid value {value!r}.",
                hint=f'Set {name} to "on" or "off".',
                id="actions.E010",
            )
    try:
        limits.block_for()
    except ValueError:
        yield Error(
            f"BLOCK_FOR has the invalid value {settings.BLOCK_FOR!r}.",
            hint=f"Set it to {durations.FORMAT}, or to an empty value to block forever.",
            id="actions.E007",
        )
    if settings.MAX_CONTAINMENTS_PER_HOUR < 1:
        yield Error(
            "MAX_CONTAINMENTS_PER_HOUR is less than 1, so containment would never happen.",
            hint='Set it to 1 or more. To turn containment off, set CONTAINMENT to "dry-run".',
            id="actions.E004",
        )
    if settings.FINDINGS_QUEUE_URL and not settings.FINDINGS_QUEUE_URL.startswith("http"):
        yield Error(
            "FINDINGS_QUEUE_URL is not the URL of an SQS queue.",
            hint="`aws sqs get-queue-url --queue-name ...` prints it: https://sqs.…",
            id="actions.E005",
        )
    if settings.NOTIFY_TOPIC_ARN and ":sns:" not in settings.NOTIFY_TOPIC_ARN:
        yield Error(
            "NOTIFY_TOPIC_ARN is not the ARN of an SNS topic.",
            hint="`aws sns list-topics` prints them: arn:aws:sns:…",
            id="actions.E006",
        )
    try:
        retention.days()
    except ValueError:
        yield Error(
            f"RETENTION_DAYS has the invalid value {settings.RETENTION_DAYS!r}.",
            hint=f"Set it to {RETAINED_DAYS} or more days, or to 0 to keep all findings. GuardDuty"
            f" can update a finding for {RETAINED_DAYS} days, and one that were gone would count"
            " as new.",
            id="actions.E012",
        )
    if settings.ARCHIVE_BUCKET and not places.BUCKET.fullmatch(settings.ARCHIVE_BUCKET):
        yield Error(
            f"ARCHIVE_BUCKET has the invalid value {settings.ARCHIVE_BUCKET!r}.",
            hint="Set it to the name of a bucket, or to a name and a prefix: name/prefix.",
            id="actions.E013",
        )
    try:
        members.configured()
    except ValueError as error:
        yield Error(
            f"MEMBER_ACCOUNTS contains {error}, which is not an AWS account ID.",
            hint='Set it to comma-separated account IDs of 12 digits, to "all" or to "none".',
            id="actions.E011",
        )
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@:/-]{2,1224}", settings.MEMBER_EXTERNAL_ID):
        yield Error(
            "MEMBER_EXTERNAL_ID is not an external ID of STS.",
            hint="Set it to 2 to 1224 letters, digits and characters of _+=,.@:/-.",
            id="actions.E008",
        )
    if containment.is_on() and not (settings.BLOCK_IP_SETS or settings.BLOCK_PREFIX_LISTS):
        yield checks.Warning(
            "CONTAINMENT is on but neither BLOCK_IP_SETS nor BLOCK_PREFIX_LISTS is set, so no"
            " address can be blocked.",
            hint="Set one to the ARNs of the WAFv2 IP sets that your web ACL blocks, or of the"
            " prefix lists to which your firewall rules refer.",
            id="actions.W001",
        )


def _lists_out_of_reach() -> Iterator[CheckMessage]:
    """Yields a warning for each list in an account in which the portal may not act."""
    for path in (wafv2.LISTS, prefix_lists.LISTS, domain_lists.LISTS):
        with suppress(ValueError):  # reported above, or by the check of MEMBER_ACCOUNTS
            for ref in path.configured():
                if settings.AWS_ACCOUNT_ID and members.against_account(ref.account_id):
                    yield checks.Warning(
                        f"{path.setting} contains {ref.arn}, whose account MEMBER_ACCOUNTS does not"
                        " name, so no block is done.",
                        hint=f"Deploy {members.TEMPLATE} there, and add the account to"
                        " MEMBER_ACCOUNTS.",
                        id="actions.W002",
                    )
