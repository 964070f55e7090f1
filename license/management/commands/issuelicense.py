"""The command `issuelicense`."""

from __future__ import annotations

import argparse
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from license import token
from license.claims import Plan
from license.keyring import KeyringError, load_signing_key
from license.reasons import LicenseError


def _instant(text: str) -> datetime:
    """Parse an ISO 8601 date or datetime. Without an offset, it is in UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is not a date like 2027-01-31 or 2027-01-31T12:00:00Z"
        raise argparse.ArgumentTypeError(msg) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


class Command(BaseCommand):
    """Issues a license key."""

    help = (
        "Issues a license key and prints it. Only the vendor, who has the signing key, can use it."
    )
    requires_system_checks = []  # independent of this deployment

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, help="the AWS account ID, 12 digits")
        parser.add_argument("--plan", required=True, choices=[plan.value for plan in Plan])
        end = parser.add_mutually_exclusive_group(required=True)
        end.add_argument("--days", type=int, help="the term of the license in days")
        end.add_argument("--expires", type=_instant, help="when it expires (UTC by default)")
        parser.add_argument(
            "--not-before", type=_instant, help="when it becomes valid (default: now)"
        )
        parser.add_argument("--customer", default="", help="the customer name to display")
        parser.add_argument(
            "--revokes",
            nargs="+",
            default=[],
            metavar="JTI",
            help="the IDs of the licenses that this one revokes",
        )
        parser.add_argument("--signing-key", type=Path, required=True, help="the private key (PEM)")

    def handle(
        self,
        *,
        account: str,
        plan: str,
        days: int | None,
        expires: datetime | None,
        not_before: datetime | None,
        customer: str,
        revokes: list[str],
        signing_key: Path,
        **options: Any,
    ) -> None:
        now = timezone.now().replace(microsecond=0)
        begins = not_before or now
        try:
            ends = expires or begins + timedelta(days=days or 0)
            key = token.issue(
                signing_key=load_signing_key(signing_key.read_bytes()),
                jti=str(uuid.uuid4()),
                aws_account_id=account,
                plan=plan,
                issued_at=now,
                not_before=begins,
                expires_at=ends,
                customer=customer,
                revokes=revokes,
            )
        except OverflowError:
            msg = "--days is too large."
            raise CommandError(msg) from None
        except OSError as error:
            msg = f"The signing key cannot be read: {error.strerror}."
            raise CommandError(msg) from None
        except (KeyringError, LicenseError) as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(key)
