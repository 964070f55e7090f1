"""The security log."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models

from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet
from storage.instants import human


class EventKind(models.TextChoices):
    """The kinds of security events."""

    SIGNED_IN = "signed_in", "Signed in"
    SIGN_IN_FAILED = "sign_in_failed", "Sign-in failed"
    THROTTLED = "throttled", "Rate limited"
    SECOND_FACTOR_USED = "second_factor_used", "Second factor used"
    SECOND_FACTOR_FAILED = "second_factor_failed", "Second factor failed"
    SIGNED_OUT = "signed_out", "Signed out"
    SESSION_ENDED = "session_ended", "Session ended"
    PASSWORD_CHANGED = "password_changed", "Password changed"
    SECOND_FACTOR_ADDED = "second_factor_added", "Second factor added"
    SECOND_FACTOR_REMOVED = "second_factor_removed", "Second factor removed"
    RECOVERY_CODES_MADE = "recovery_codes_made", "Recovery codes made"
    ROLES_CHANGED = "roles_changed", "Roles changed"
    CLIENT_CREATED = "client_created", "API client created"
    CLIENT_CHANGED = "client_changed", "API client changed"
    CLIENT_DELETED = "client_deleted", "API client deleted"
    CLIENT_REFUSED = "client_refused", "API client refused"
    TOKEN_ISSUED = "token_issued", "Token issued"
    TOKEN_REFUSED = "token_refused", "Token refused"
    TOKEN_REVOKED = "token_revoked", "Token revoked"
    WRITE_REFUSED = "write_refused", "Write refused by the license"


class SecurityEventQuerySet(AppendOnlyQuerySet["SecurityEvent"]):
    """Orders of security events."""

    def newest_first(self) -> Self:
        """By time of storage, descending."""
        return self.order_by("-pk")


class SecurityEvent(AppendOnlyModel):
    """A sign-in, a failed sign-in, or a change of permissions or credentials. Holds no secrets."""

    at = models.DateTimeField()
    kind = models.CharField("event", max_length=24, choices=EventKind)
    # The user the event is about. PROTECT: users are deactivated, not deleted.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    user_name = models.CharField("person", max_length=150, blank=True, db_index=True)
    client_id = models.CharField("API client", max_length=100, blank=True)
    by_name = models.CharField("changed by", max_length=150, blank=True)
    address = models.CharField(max_length=45, blank=True, db_index=True)
    user_agent = models.CharField("browser or program", max_length=200, blank=True)
    method = models.CharField(max_length=100, blank=True)
    detail = models.CharField(max_length=200, blank=True)

    objects = models.Manager.from_queryset(SecurityEventQuerySet)()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {human(self.at)}"
