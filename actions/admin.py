from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from actions.models import Attempt, Reaction
from storage.admin_filters import OwnFiltersOnly


class ReadOnly:
    """Whoever asks: the log cannot be edited."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False


class AttemptInline(ReadOnly, admin.TabularInline[Attempt, Reaction]):
    model = Attempt
    fields = ["at", "succeeded", "answer"]
    ordering = ["pk"]


@admin.register(Reaction)
class ReactionAdmin(ReadOnly, OwnFiltersOnly, admin.ModelAdmin[Reaction]):
    list_display = ["decided_at", "kind", "target", "state", "outcome"]
    list_filter = ["kind", "state"]
    search_fields = ["target"]
    ordering = ["-pk"]
    inlines = [AttemptInline]
    list_select_related = ["finding"]

    def has_view_permission(self, request: HttpRequest, obj: Reaction | None = None) -> bool:
        return request.user.has_perm("actions.view_reaction")
