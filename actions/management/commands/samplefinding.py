from __future__ import annotations

import difflib
import uuid
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from django.utils import timezone

from actions import ingest
from actions.wishes import Rules
from findings import catalogue
from findings.catalogue import Severity
from findings.guardduty.lenient_json import address_in
from findings.guardduty.samples import ADDRESSES, sample_finding
from findings.models import Finding


class Command(BaseCommand):
    """`manage.py samplefinding`. Raises CommandError if containment is on or input is invalid."""

    help = (
        "Ingests a sample finding as if GuardDuty had sent it, and prints the result under the"
        " current policy. It works only in a dry run, not with CONTAINMENT=on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "finding_type",
            nargs="?",
            metavar="TYPE",
            default="UnauthorizedAccess:EC2/SSHBruteForce",
            help="a GuardDuty finding type (default: %(default)s)",
        )
        parser.add_argument(
            "--severity",
            type=str.upper,
            choices=Severity.values,
            help="the severity (default: the highest that GuardDuty gives the type)",
        )
        parser.add_argument(
            "--address",
            default=str(ADDRESSES[1]),
            help="the actor's IPv4 or IPv6 address (default: %(default)s, which is unassigned)",
        )

    def handle(
        self, *, finding_type: str, severity: str | None, address: str, **options: Any
    ) -> None:
        if not Rules.now().is_dry_run:
            msg = (
                "CONTAINMENT is on, so a sample would trigger real actions. No sample was ingested."
            )
            raise CommandError(msg)
        canonical = address_in(address)
        if not canonical:
            msg = f"{address!r} is not an IPv4 or IPv6 address."
            raise CommandError(msg)
        known = catalogue.FINDING_TYPES.get(finding_type)
        if known is None:
            self._tell_unknown(finding_type)
        severity = severity or (known.severities[-1] if known else Severity.HIGH)
        finding = sample_finding(
            finding_type,
            severity=severity,
            address=canonical,
            finding_id=uuid.uuid4().hex,
            account_id=settings.AWS_ACCOUNT_ID,
            has_credential=catalogue.can_revoke(finding_type=finding_type),
            at=timezone.now(),
        )
        ingest.ingest([finding], at=timezone.now())
        self._line("finding", f"{finding_type}, {severity}, from {canonical}")
        stored = Finding.objects.filter(finding_id=finding["id"]).first()
        if stored is None:
            self._line("policy", "IGNORE is set, so the finding was not stored.")
            return
        why = f"is set for {stored.set_at}" if stored.set_at else "by default"
        self._line("policy", f"{stored.action} {why}.")
        for reaction in stored.reactions.order_by("pk"):
            what = " ".join(filter(None, [reaction.get_kind_display(), reaction.target]))
            self._line(
                "action", f"{what}: {reaction.get_state_display().lower()}. {reaction.outcome}"
            )
        if not stored.reactions.exists():
            self._line("action", "None. The finding is only reported.")
        self._line("page", settings.PORTAL_URL + reverse("console:event", args=[stored.pk]))

    def _line(self, name: str, value: str) -> None:
        self.stdout.write(f"{name + ':':<9}{value}")

    def _tell_unknown(self, finding_type: str) -> None:
        """Warns about an unknown type. Raises CommandError if its format is invalid."""
        near = difflib.get_close_matches(finding_type, catalogue.FINDING_TYPES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        if not catalogue.has_form(finding_type):
            msg = f"{finding_type!r} does not have the format ThreatPurpose:Resource/Family.{hint}"
            raise CommandError(msg)
        self.stderr.write(f"{finding_type} is not in the catalog. It is ingested anyway.{hint}")
