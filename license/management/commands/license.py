"""The command `license`."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from license import report as reports
from license import status
from license.status import Kind
from serving.answers import AnsweringCommand
from storage.instants import iso


class Command(AnsweringCommand):
    """Shows the license status of this deployment."""

    help = (
        "Shows the license status of this deployment. Exit status: 0 valid, 1 expiring soon, 2"
        " writes are disabled, 3 unknown: the environment, the database or the command line has an"
        " error."
    )
    requires_system_checks = []  # works even if checks fail, so that a license can be fixed

    failed = 3

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--report",
            action="store_true",
            help="also print the history of keys, the routes that require a license, the refused"
            " writes by reason and route, and the heads of the journals",
        )

    def handle(self, *, json: bool, report: bool, **options: Any) -> None:
        now = timezone.now()
        found = status.current(now)
        if json:
            members = reports.report(now) if report else found.as_json(with_details=True)
            self.stdout.write(_as_json(members))
        else:
            self.stdout.write(_as_lines(found))
            if report:
                self.stdout.write(f"\n{reports.as_text(reports.report(now))}")
        if exit_status := {Kind.VALID: 0, Kind.EXPIRING_SOON: 1}.get(found.kind, 2):
            self.answer(exit_status)


def _as_json(members: dict[str, Any]) -> str:
    return json.dumps(members, cls=DjangoJSONEncoder)


def _as_lines(found: status.LicenseStatus) -> str:
    lines = [("status", found.kind.label)]
    if found.error:
        lines.append(("reason", found.reason))
    if found.claims:
        claims = found.claims
        lines += [
            ("plan", claims.plan.value),
            ("customer", claims.customer),
            ("account", claims.aws_account_id),
            ("license", claims.jti),
            ("expires", f"{iso(claims.expires_at)} ({found.days_left} days left)"),
        ]
    if found.queued:
        lines.append(("renewal", f"on {iso(found.queued.not_before)}, automatically"))
    if found.clock_note:
        lines.append(("clock", found.clock_note))
    if found.remedy:
        lines.append(("next", found.remedy))
    return "\n".join(f"{name + ':':<10}{value}" for name, value in lines if value)
