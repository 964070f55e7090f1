from __future__ import annotations

from django.db import models

from findings.guardduty.parser import ENTITY_NAME_MAX_LENGTH
from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet


class MemoryQuerySet(AppendOnlyQuerySet["Memory"]):
    """Queries of memories, which are append-only."""


MemoryManager = models.Manager.from_queryset(MemoryQuerySet)


class Memory(AppendOnlyModel):
    """What a resource was before a containment changed it, so that it can be given back."""

    reaction = models.ForeignKey(
        "actions.Reaction", on_delete=models.PROTECT, related_name="memories"
    )
    resource = models.CharField(max_length=ENTITY_NAME_MAX_LENGTH)  # "eni-...", "AKIA...", ...
    before = models.JSONField()
    at = models.DateTimeField()

    objects = MemoryManager()

    class Meta:
        verbose_name_plural = "memories"
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return self.resource
