from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from actions.models import Attempt, Reaction
from storage.admin_filters import OwnFiltersOnly


class ReadOnly:
    """Makes an admin read-only for every user, superusers included."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False


class AttemptInline(ReadOnly, admin.TabularInline[Attempt, Reaction]):
    """Shows the attempts of an action."""

    model = Attempt
    fields = ["at", "succeeded", "answer"]
    ordering = ["pk"]


@admin.register(Reaction)
class ReactionAdmin(ReadOnly, OwnFiltersOnly, admin.ModelAdmin[Reaction]):
    """Shows the log of actions."""

    list_display = ["decided_at", "kind", "target", "state", "outcome"]
    list_filter = ["kind", "state"]
    search_fields = ["target"]
    ordering = ["-pk"]
    inlines = [AttemptInline]
    list_select_related = ["finding"]

    def has_view_permission(self, request: HttpRequest, obj: Reaction | None = None) -> bool:
        return request.user.has_perm("actions.view_reaction")
