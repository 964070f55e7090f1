"""The destination and the rule that NOTIFY_TOPIC_ARN sets up.

Earlier versions told this topic of each new finding, and so does this rule. Whoever changes or
removes them keeps the last word: they are set up once.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from accounts.api_auth import Caller
from actions.aws import probes
from notifications import configuration
from notifications.configuration import NotValid
from notifications.destination_settings import DestinationSettings
from notifications.models import Destination, NotificationChange, Rule, Trigger
from notifications.rule_settings import RuleSettings
from storage.locks import advisory_lock

logger = logging.getLogger(__name__)

NAME = "NOTIFY_TOPIC_ARN"
RULE = "Every finding to NOTIFY_TOPIC_ARN"
KIND, FIELD = "sns", "topic_arn"


def when_migrated(sender: object, using: str, **more: Any) -> None:
    """Sets them up after `migrate`, in the default database, once all tables are there."""
    if using != "default" or not settings.NOTIFY_TOPIC_ARN:
        return
    loader = MigrationLoader(connection)
    if set(loader.graph.leaf_nodes()) <= set(loader.applied_migrations):
        set_up()


@transaction.atomic
def set_up() -> None:
    """Adds the destination and the rule once. Later, the destination follows the setting.

    It follows until a person changes its topic.

    Raises django.db.Error, and logs a setting that is not valid.
    """
    topic = settings.NOTIFY_TOPIC_ARN
    if not topic:
        return
    advisory_lock("notifications.topic")
    made = Destination.objects.filter(follows_setting=True).first()
    if made is None and _was_set_up():
        return
    if made and (made.removed_at or made.settings == {FIELD: topic}):
        return
    name = made.name if made else _free(Destination, NAME)
    wanted = DestinationSettings(KIND, {FIELD: topic}, made.per_hour if made else 0)
    rule = RuleSettings(Trigger.FINDING, destinations=[name], each=True)
    try:
        configuration.set_notifications(
            rules={} if made else {_free(Rule, RULE): rule},
            destinations={name: wanted},
            by=Caller(name=NAME),
            at=timezone.now(),
        )
    except NotValid as error:
        logger.error("NOTIFY_TOPIC_ARN has no rule. %s", error)
        return
    Destination.objects.present().filter(name=name).update(follows_setting=True)


def topics() -> list[str]:
    """Returns the ARNs of all topics to which a rule that is on sends, for the self-test."""
    rules = Rule.objects.present().filter(enabled=True)
    found = Destination.objects.present().filter(kind=KIND, rules__in=rules).distinct()
    return [arn for one in found if (arn := one.settings.get(FIELD))]


def _was_set_up() -> bool:
    by_this = NotificationChange.objects.filter(changed_by_name=NAME, changed_by=None, client_id="")
    return by_this.exists()


def _free(model: type[Destination] | type[Rule], name: str) -> str:
    """Returns the name, or another one if a person has used it."""
    taken = set(model.objects.present().values_list("name", flat=True))
    names = (f"{name} {number}" if number else name for number in range(len(taken) + 1))
    return next(one for one in names if one not in taken)


probes.topics.append(topics)
