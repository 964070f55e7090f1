"""Destinations, and what rules have in common with them."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models
from django.db.models import Q

from notifications.destinations import KINDS
from notifications.destinations.contract import HIDDEN
from storage import encryption

NAME_MAX_LENGTH = 100
NO_KEY = "ENCRYPTION_KEYS cannot decrypt its secrets. Restore the key, or enter them again."

_M = TypeVar("_M", bound=models.Model)


class PresentQuerySet(models.QuerySet[_M]):
    """Queries of rows that stay when they are removed, because the log refers to them."""

    def present(self) -> Self:
        """Returns those that were not removed."""
        return self.filter(removed_at=None)


class DestinationQuerySet(PresentQuerySet["Destination"]):
    """Queries of destinations."""


DestinationManager = models.Manager.from_queryset(DestinationQuerySet)


class Destination(models.Model):
    """Where messages go. `delivery.py` writes its state, and `destination_settings.py` the rest."""

    name = models.CharField(max_length=NAME_MAX_LENGTH)
    kind = models.CharField(max_length=16)  # a key of destinations.KINDS
    # Text by name of the field of the kind. Secrets are encrypted.
    settings = models.JSONField(default=dict)
    per_hour = models.PositiveIntegerField("messages an hour", default=60)  # 0 for no limit
    follows_setting = models.BooleanField(default=False, db_default=False)  # NOTIFY_TOPIC_ARN
    removed_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    last_error_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    paused_until = models.DateTimeField(null=True)  # nothing is tried before, so it costs nothing

    objects = DestinationManager()

    class Meta:
        default_permissions = ("change",)
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(removed_at=None), name="destination_names_differ"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def kind_label(self) -> str:
        """The kind, for people."""
        return KINDS[self.kind].label if self.kind in KINDS else self.kind

    def open_settings(self) -> dict[str, str]:
        """Returns the settings, decrypted. Raises encryption.NoKeyError."""
        return {
            name: encryption.opened(value) if name in self._secrets() else value
            for name, value in self.settings.items()
        }

    def seal(self, plain: dict[str, str]) -> None:
        """Sets the settings, and encrypts the secrets."""
        self.settings = {
            name: encryption.encrypt(value) if value and name in self._secrets() else value
            for name, value in plain.items()
        }

    def masked(self) -> dict[str, str]:
        """Returns the settings with masked secrets; all of them if they cannot be read."""
        try:
            return KINDS[self.kind].masked(self.open_settings())
        except KeyError:  # another version knows the kind
            return dict.fromkeys(self.settings, HIDDEN)
        except encryption.NoKeyError:
            hidden = self._secrets()
            return {k: HIDDEN if k in hidden else text for k, text in self.settings.items()}

    def _secrets(self) -> set[str]:
        """Raises KeyError for a kind that this version does not know."""
        return {field.name for field in KINDS[self.kind].fields if field.secret}
