"""What subscribers are told of a finding, and NOTIFY, which publishes it to an SNS topic.

`carry_out` is only for NOTIFY actions that an earlier version has left pending: now notifications/
tells, with the same message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import boto3
from django.conf import settings
from django.urls import reverse

from actions.aws.outcome import CONFIG, Outcome, one_by_one, region_of
from actions.models import Reaction
from findings.models import Finding
from storage.instants import iso

LISTED = 100  # actions in one message, because SNS accepts at most 256 KiB


def carry_out(session: boto3.Session, reactions: Iterable[Reaction]) -> Iterator[Outcome]:
    """Publishes a message for each reaction to its topic, and yields the outcomes in order."""
    clients: dict[str, Any] = {}

    def notify(reaction: Reaction) -> str:
        topic = reaction.target
        region = region_of(topic)
        if region not in clients:
            clients[region] = session.client("sns", region_name=region or None, config=CONFIG)
        # A FIFO topic drops duplicates. On a standard topic, a message that AWS accepted just
        # before this process died arrives twice, with the same action_id.
        fifo = {"MessageGroupId": "findings", "MessageDeduplicationId": str(reaction.pk)}
        answer = clients[region].publish(
            TopicArn=topic,
            Message=json.dumps(message(reaction)),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in (
                    ("finding_type", reaction.its_finding.finding_type),
                    ("severity", reaction.its_finding.severity),
                    ("action", reaction.its_finding.action),
                )
                if value
            },
            **(fifo if topic.endswith(".fifo") else {}),
        )
        return f"Message {answer['MessageId']}."

    yield from one_by_one(reactions, notify)


def message(reaction: Reaction) -> dict[str, Any]:
    """Returns the message for subscribers, with the other actions of the finding."""
    finding = reaction.its_finding
    return {
        "action_id": reaction.pk,
        **about(finding, finding.reactions.exclude(pk=reaction.pk).order_by("pk")[:LISTED]),
    }


def about(finding: Finding, actions: Iterable[Reaction]) -> dict[str, Any]:
    """Returns what subscribers are told: the finding, the policy action, and the actions.

    The actions are listed in their current states.
    """
    return {
        "url": f"{settings.PORTAL_URL}{reverse('console:event', args=[finding.pk])}",
        "finding": {
            "account_id": finding.account_id,
            "region": finding.region,
            "id": finding.finding_id,
            "type": finding.finding_type,
            "severity": finding.severity or None,
            "score": finding.score,
            "title": finding.title,
            "description": finding.description,
            "count": finding.count,
            "first_seen_at": _instant(finding.first_seen_at),
            "seen_at": _instant(finding.seen_at),
            "problem": finding.problem,
        },
        "policy": {"action": finding.action, "set_at": finding.set_at},
        "actions": [of_action(action) for action in actions],
    }


def of_action(action: Reaction) -> dict[str, str]:
    """Returns what subscribers are told of an action."""
    return {
        "action": action.kind,
        "target": action.target,
        "state": action.state,
        "why": action.why,
        "outcome": action.outcome,
    }


def _instant(at: datetime | None) -> str | None:
    return iso(at) if at else None
