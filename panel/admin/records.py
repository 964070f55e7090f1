"""The journal, and the mails."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import Q

from panel.admin.base import ReadOnlyAdmin, StatusFilter
from panel.models import Act, OutgoingMail


@admin.register(Act)
class ActAdmin(ReadOnlyAdmin[Act]):
    """The journal: who did what, when and why."""

    list_display = ["at", "kind", "customer", "by", "why", "order", "license"]
    list_filter = ["kind"]
    list_select_related = ["customer__user", "license", "order", "by"]
    search_fields = [
        "customer__members__user__email",
        "customer__name",
        "license__aws_account_id",
        "license__jti",
        "order__aws_account_id",
        "=order__id",
        "by__email",
        "why",
    ]
    ordering = ["-at", "-pk"]
    actions = None
    fields: ClassVar = ["at", "kind", "customer", "license", "order", "by", "why"]


class MailStatusFilter(StatusFilter):
    """Emails that wait, or that were sent."""

    statuses: ClassVar = {
        "waiting": ("Waiting", Q(sent_at=None)),
        "sent": ("Sent", Q(sent_at__isnull=False)),
    }


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin[OutgoingMail]):
    """The mails about orders and licenses, sent or waiting."""

    list_display = ["__str__", "to", "status", "written_at"]
    list_filter = [MailStatusFilter]
    search_fields = ["to", "subject"]
    ordering = ["-pk"]
    actions = None
    fields: ClassVar = ["to", "subject", "body", "invoice", "written_at", "sent_at"]

    @admin.display(ordering="sent_at")
    def status(self, mail: OutgoingMail) -> str:
        return f"Sent {mail.sent_at:%Y-%m-%d %H:%M} UTC" if mail.sent_at else "Waiting"
