"""The journal of changes of rules and destinations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.db import models

from notifications.models.destinations import NAME_MAX_LENGTH
from storage.journal import JournalModel, JournalQuerySet


class NotificationChangeQuerySet(JournalQuerySet["NotificationChange"]):
    """Queries of the log of changes of rules and destinations."""

    def newest_first(self) -> Self:
        """Returns the changes, newest first."""
        return self.order_by("-changed_at", "-pk")


NotificationChangeManager = models.Manager.from_queryset(NotificationChangeQuerySet)


class Change(NamedTuple):
    """What has changed of a rule or a destination: an entry without who changed it, and when."""

    what: str
    name: str
    before: Any  # with masked secrets; None if it was added
    after: Any  # None if it was removed


class NotificationChange(JournalModel):
    """One entry of the append-only log of changes of rules and destinations."""

    class What(models.TextChoices):
        """What changed."""

        RULE = "rule", "Rule"
        DESTINATION = "destination", "Destination"

    changed_at = models.DateTimeField(db_index=True)
    # Null for a program, which `client_id` identifies, and for the setting NOTIFY_TOPIC_ARN.
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    changed_by_name = models.CharField(max_length=200)
    client_id = models.CharField(max_length=200, blank=True)
    what = models.CharField(max_length=16, choices=What)
    name = models.CharField(max_length=NAME_MAX_LENGTH)
    before = models.JSONField(null=True)  # with masked secrets; null if it was added
    after = models.JSONField(null=True)  # null if it was removed

    objects = NotificationChangeManager()

    class Meta:
        verbose_name = "notification change"
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_what_display()} {self.name}"

    @property
    def verb(self) -> str:
        """What was done."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    @property
    def fields(self) -> Iterable[tuple[str, Any, Any]]:
        """The members that changed: name, before, after."""
        before, after = self.before or {}, self.after or {}
        for name in {**before, **after}:
            if before.get(name) != after.get(name):
                yield name.replace("_", " "), before.get(name), after.get(name)
