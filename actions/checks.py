"""System checks: a setting that would make containment do the wrong thing, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from actions import containment, safeguards
from actions.aws import wafv2


@register(Tags.security)
def check_containment(**kwargs: Any) -> Iterator[CheckMessage]:
    if settings.CONTAINMENT not in {containment.ON, containment.DRY_RUN}:
        yield Error(
            f"CONTAINMENT is {settings.CONTAINMENT!r}, which means nothing.",
            hint='Set it to "on", or to "dry-run", which writes down what would be done.',
            id="actions.E001",
        )
    try:
        safeguards.never_block()
    except ValueError as error:
        yield Error(
            f"NEVER_BLOCK names what is no network: {error}.",
            hint="Set it to CIDRs with commas between them, like 203.0.113.0/24,2001:db8::/32.",
            id="actions.E002",
        )
    try:
        wafv2.configured()
    except ValueError as error:
        yield Error(
            f"BLOCK_IP_SETS names {error}, which is not the ARN of a WAFv2 IP set.",
            hint="`aws wafv2 list-ip-sets --scope REGIONAL` prints their ARNs; put commas between"
            " them.",
            id="actions.E003",
        )
    if settings.MAX_CONTAINMENTS_PER_HOUR < 1:
        yield Error(
            "MAX_CONTAINMENTS_PER_HOUR is below 1: nothing would ever be contained.",
            hint='Set it to 1 or more; to contain nothing, set CONTAINMENT to "dry-run".',
            id="actions.E004",
        )
    if settings.FINDINGS_QUEUE_URL and not settings.FINDINGS_QUEUE_URL.startswith("http"):
        yield Error(
            "FINDINGS_QUEUE_URL is not the address of a queue.",
            hint="`aws sqs get-queue-url --queue-name ...` prints it: https://sqs.…",
            id="actions.E005",
        )
    if settings.NOTIFY_TOPIC_ARN and ":sns:" not in settings.NOTIFY_TOPIC_ARN:
        yield Error(
            "NOTIFY_TOPIC_ARN is not the ARN of an SNS topic.",
            hint="`aws sns list-topics` prints them: arn:aws:sns:…",
            id="actions.E006",
        )
    if containment.is_on() and not settings.BLOCK_IP_SETS:
        yield checks.Warning(
            "CONTAINMENT is on and BLOCK_IP_SETS is not set: no address can be blocked.",
            hint="Set it to the ARNs of the WAFv2 IP sets that your web ACL blocks.",
            id="actions.W001",
        )
