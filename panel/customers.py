"""Who acts for which customer, and what each operation on a customer does first and last.

An operation runs in one transaction that first locks the customer's row, so that concurrent
requests wait for each other. On SQLite a transaction takes the write lock when it begins
(transaction_mode in settings.py). It raises Refused if the request is not allowed, and adds an Act
to the journal.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from panel.models import Act, Customer, IssuedLicense, Member, Order, Role


class Refused(Exception):
    """The request is not allowed. The text is shown to people and never names another customer."""


class Suspended(Refused):
    """The customer is suspended."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "This account is on hold; existing licenses keep working. Contact us to resolve this."
            f" Reason: {why}"
        )


def customer_of(user: User) -> Customer:
    """Returns the customer that the user acts for. A new user becomes the owner of a new one."""
    return member_of(user).customer


def member_of(user: User) -> Member:
    """Returns the user's membership. A new user becomes the owner of a new customer."""
    members = Member.objects.select_related("customer__user", "user")
    member = members.filter(user=user).first()
    if member is None:
        with transaction.atomic():
            customer, _ = Customer.objects.get_or_create(user=user)
            member, _ = members.get_or_create(
                user=user,
                defaults={"customer": customer, "role": Role.OWNER, "joined_at": timezone.now()},
            )
    return member


def locked(customer: Customer) -> Customer:
    """Returns the customer as it is now, and locks it until the transaction ends."""
    # Without its user: PostgreSQL leaves out a joined row whose user changed while it waited.
    return Customer.objects.select_for_update().get(pk=customer.pk)


def insist_on_good_standing(customer: Customer) -> None:
    """Raises Suspended if the customer is suspended."""
    if customer.is_suspended:
        raise Suspended(customer.why_suspended)


def rename(customer: Customer, name: str) -> None:
    """Stores the name that is shown in the customer's next licenses."""
    if customer.name != name:
        customer.name = name
        customer.save(update_fields=["name"])


def record(
    kind: Act.Kind,
    customer: Customer,
    *,
    by: User | None,
    at: datetime,
    license: IssuedLicense | None = None,
    order: Order | None = None,
    why: str = "",
) -> None:
    """Adds an act to the journal."""
    Act.objects.create(
        kind=kind, customer=customer, by=by, at=at, license=license, order=order, why=why
    )
