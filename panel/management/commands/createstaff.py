from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from panel import second_factor
from panel.security_log import record


class Command(BaseCommand):
    help = (
        "Creates a staff user, or makes an existing user staff. Staff sign in with an emailed code"
        " and a second factor, and work in the Django admin."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    @transaction.atomic
    def handle(self, *, email: str, **options: Any) -> None:
        email = email.lower()
        try:
            validate_email(email)
        except ValidationError:
            msg = f"{email!r} is not an email address."
            raise CommandError(msg) from None
        user = User.objects.filter(email=email).first() or User.objects.create_user(email, email)
        if not user.is_staff:
            user.is_staff = True
            user.save(update_fields=["is_staff"])
            record("made_staff", user=user)
        user.groups.add(Group.objects.get(name="licensing staff"))
        # Codes are sent here. The address is verified when the user enters one.
        EmailAddress.objects.get_or_create(user=user, email=email, defaults={"primary": True})
        self.stdout.write(f"{email} is staff.")
        if not second_factor.is_set_up(user):
            self.stdout.write(
                "This user has no second factor. The first sign-in requires setting one up."
                " Ask them to sign in now."
            )
