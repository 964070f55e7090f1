"""Who is told of what, and what became of it."""

from notifications.models.changes import Change, NotificationChange
from notifications.models.deliveries import (
    DIGEST,
    HELD_BACK,
    REPEATS,
    Delivery,
    DeliveryAttempt,
    State,
    new_message_id,
)
from notifications.models.destinations import NAME_MAX_LENGTH, NO_KEY, Destination
from notifications.models.outbox import Hold, Notice
from notifications.models.rules import OF_ACTIONS, OF_THE_PORTAL, RANKS, Detail, Rule, Trigger, When

__all__ = [
    "DIGEST",
    "HELD_BACK",
    "NAME_MAX_LENGTH",
    "NO_KEY",
    "OF_ACTIONS",
    "OF_THE_PORTAL",
    "RANKS",
    "REPEATS",
    "Change",
    "Delivery",
    "DeliveryAttempt",
    "Destination",
    "Detail",
    "Hold",
    "Notice",
    "NotificationChange",
    "Rule",
    "State",
    "Trigger",
    "When",
    "new_message_id",
]
