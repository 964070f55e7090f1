"""What each role of a customer's team may do. Views and mail ask here."""

from __future__ import annotations

from enum import StrEnum

from django.db.models import QuerySet

from panel.models import Customer, Member, Role


class Power(StrEnum):
    """What a member may do, as part of a sentence. Each member sees licenses and orders."""

    KEYS = "start trials, and see and replace license keys"
    ORDERS = "order and pay"
    TEAM = "invite people, change roles and remove people"


POWERS: dict[Role, frozenset[Power]] = {
    Role.OWNER: frozenset(Power),
    Role.BILLING: frozenset({Power.ORDERS}),
    Role.TECHNICAL: frozenset({Power.KEYS}),
}


def may(member: Member, power: Power) -> bool:
    """Whether the member's role has the power."""
    return power in POWERS[Role(member.role)]


def members_with(customer: Customer, power: Power) -> QuerySet[Member]:
    """Returns the members whose role has the power, by address."""
    roles = [role for role, powers in POWERS.items() if power in powers]
    return customer.members.filter(role__in=roles).select_related("user").order_by("user__email")


def addresses(customer: Customer, *powers: Power) -> list[str]:
    """Returns the addresses of the members with one of the powers, for mail."""
    people = {member.user.email for power in powers for member in members_with(customer, power)}
    # A customer who signed up while the table of members was being added has no members yet.
    return sorted(people) or [customer.user.email]
