"""Signs a license key."""

from __future__ import annotations

import argparse
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from license import token
from license.keyring import KeyringError, load_signing_key
from license.token import LicenseError, Plan


def _instant(text: str) -> datetime:
    """2027-01-31, or 2027-01-31T12:00:00Z; without an offset it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no date like 2027-01-31 or 2027-01-31T12:00:00Z"
        raise argparse.ArgumentTypeError(msg) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


class Command(BaseCommand):
    """See `help`."""

    help = "Issues a license key and prints it: for the vendor, who holds the signing key."
    requires_system_checks = []  # it needs nothing of this deployment

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, help="the AWS account id, 12 digits")
        parser.add_argument("--plan", required=True, choices=[plan.value for plan in Plan])
        end = parser.add_mutually_exclusive_group(required=True)
        end.add_argument("--days", type=int, help="how long it runs, from its first instant on")
        end.add_argument("--expires", type=_instant, help="its first expired instant")
        parser.add_argument("--not-before", type=_instant, help="its first instant; default: now")
        parser.add_argument("--customer", default="", help="a name to show")
        parser.add_argument(
            "--revokes",
            nargs="+",
            default=[],
            metavar="JTI",
            help="licenses that this one replaces",
        )
        parser.add_argument("--signing-key", type=Path, required=True, help="the private key, PEM")

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
