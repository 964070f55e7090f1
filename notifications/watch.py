"""Notices what nobody reports: that the license ends, and that a worker is silent."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse

from actions import heartbeat
from license import status
from license.status import Kind, LicenseStatus
from notifications import outbox, resolving
from notifications.models import Trigger
from storage.instants import human, iso

DAYS = (1, 7, 14, 30)  # before the end of the license
_LICENSE = "license"


def watch(at: datetime) -> None:
    """Tells each fact once, however many workers watch. Raises django.db.Error."""
    if outbox.rules_of(Trigger.LICENSE):
        _license(status.current(at))
    if outbox.rules_of(Trigger.SILENT):
        _workers(at)


def _license(found: LicenseStatus) -> None:
    claims = found.claims
    if found.writes_until:
        left = found.writes_until - found.now
        stage = next((days for days in DAYS if left <= timedelta(days=days)), None)
        if stage is None:
            resolving.resolve([_LICENSE], at=found.now)
            return
        event = f"license:{stage}:{iso(found.writes_until)}"
        severity = "HIGH" if stage <= 7 else "MEDIUM"
        days = "1 day" if left.days == 1 else f"{left.days} days"
        title = f"The license ends in {days}, on {human(found.writes_until)}"
        text = "Renew it: the new key takes effect automatically. The saved policy stays in force."
    elif found.kind == Kind.EXPIRED and claims:
        event = f"license:expired:{iso(claims.expires_at)}"
        severity, title = "HIGH", f"The license expired on {human(claims.expires_at)}"
        text = f"{found.reason} {found.remedy} The saved policy stays in force."
    else:
        return
    about = {"title": title, "text": text, "path": reverse("license:page")}
    outbox.tell(
        Trigger.LICENSE, event=event, key=_LICENSE, at=found.now, severity=severity, about=about
    )


def _workers(at: datetime) -> None:
    for loop, beat in heartbeat.last_beats().items():
        key = f"silent:{loop}"
        if at - beat < heartbeat.ALIVE or _is_off(loop):
            resolving.resolve([key], at=at)
            continue
        does = {"receive": "takes in findings", "act": "carries out actions"}[loop]
        outbox.tell(
            Trigger.SILENT,
            event=f"{key}:{iso(beat)}",
            key=key,
            at=at,
            severity="HIGH",
            about={
                "title": f"No worker {does} since {human(beat)}",
                "text": "The worker of manage.py processfindings has stopped, or has errors. See"
                " its log.",
                "path": reverse("api:get_actions"),
            },
        )


def _is_off(loop: heartbeat.Loop) -> bool:
    """Whether the loop has no queue any more."""
    return loop == heartbeat.Loop.RECEIVE and not settings.FINDINGS_QUEUE_URL
