from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from storage import instants


class Trip(models.Model):
    """A trip of the circuit breaker, which stops containment until a user resets it."""

    tripped_at = models.DateTimeField()
    limit = models.PositiveIntegerField()  # MAX_CONTAINMENTS_PER_HOUR at that time
    reset_at = models.DateTimeField(null=True)
    reset_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(reset_at=None), name="one_trip_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"tripped at {instants.human(self.tripped_at)}"
