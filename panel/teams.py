"""The people of a customer: invitations, roles, and who leaves.

Each function that changes a team runs in one transaction that first locks the customer's row, and
adds an Act to the journal. It raises Refused if the request is not allowed; nothing is changed
then.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import ProtectedError, QuerySet

from panel import customers, mail
from panel.customers import Refused
from panel.models import Act, Customer, Invitation, Member, Role

INVITATION_LASTS = timedelta(days=14)
MAX_PEOPLE = 50  # members and invitations of a customer


def invitations_for(user: User, at: datetime) -> QuerySet[Invitation]:
    """Returns the invitations to the user's address that have not ended."""
    return Invitation.objects.select_related("customer__user", "invited_by").filter(
        email=user.email.lower(), sent_at__gt=at - INVITATION_LASTS
    )


@transaction.atomic
def invite(
    customer: Customer, *, email: str, role: Role, by: User, at: datetime, why: str = ""
) -> Invitation:
    """Invites an address by mail. An earlier invitation of the address is replaced.

    Raises Refused if the address is a member, or if the team is too large.
    """
    customer = customers.locked(customer)
    email = email.lower()
    if customer.members.filter(user__email__iexact=email).exists():
        msg = f"{email} is a member already."
        raise Refused(msg)
    others = customer.invitations.exclude(email=email).count()
    if customer.members.count() + others >= MAX_PEOPLE:
        msg = f"A team has at most {MAX_PEOPLE} people, including those who are invited."
        raise Refused(msg)
    invitation, _ = Invitation.objects.update_or_create(
        customer=customer,
        email=email,
        defaults={"role": role, "invited_by": by, "sent_at": at},
    )
    customers.record(Act.Kind.INVITED, customer, by=by, at=at, why=_said(email, role, why))
    mail.invited(invitation)
    return invitation


@transaction.atomic
def withdraw(invitation: Invitation, *, by: User, at: datetime) -> None:
    """Withdraws or declines an invitation."""
    customer = customers.locked(invitation.customer)
    if Invitation.objects.filter(pk=invitation.pk).delete()[0]:
        customers.record(Act.Kind.WITHDRAWN, customer, by=by, at=at, why=invitation.email)


@transaction.atomic
def accept(invitation: Invitation, *, user: User, at: datetime) -> None:
    """Makes the invited user a member. The empty customer record of a new user is deleted.

    Raises Refused if the invitation has ended, or if the user acts for another customer.
    """
    own = customers.member_of(user)
    # In the order of their keys, so that two requests cannot wait for each other.
    both = Customer.objects.select_for_update().order_by("pk")
    teams = both.in_bulk([invitation.customer_id, own.customer_id])
    customer = teams[invitation.customer_id]
    if not invitations_for(user, at).filter(pk=invitation.pk).exists():
        raise Refused("This invitation has been withdrawn, or is too old. Ask for a new one.")
    if not Member.objects.filter(pk=own.pk, customer__in=teams).exists():
        raise Refused("You have just joined or left a team. Look at this page again.")
    _dissolve(teams[own.customer_id], own)
    Member.objects.create(customer=customer, user=user, role=invitation.role, joined_at=at)
    Invitation.objects.filter(pk=invitation.pk).delete()
    why = _said(user.email, Role(invitation.role), "")
    customers.record(Act.Kind.JOINED, customer, by=user, at=at, why=why)


@transaction.atomic
def set_role(member: Member, role: Role, *, by: User, at: datetime, why: str = "") -> None:
    """Changes the role of a member. Raises Refused for the last owner."""
    customer = customers.locked(member.customer)
    member = _current(member, customer)
    if member.role == role:
        return
    if member.role == Role.OWNER:
        _replace_owner(customer, member)
    member.role = role
    member.save(update_fields=["role"])
    customers.record(Act.Kind.ROLE, customer, by=by, at=at, why=_said(member.user.email, role, why))


@transaction.atomic
def make_owner(customer: Customer, *, email: str, by: User, why: str, at: datetime) -> None:
    """For staff: makes a member an owner, or invites somebody as one. Raises Refused."""
    member = customer.members.filter(user__email__iexact=email).first()
    if member:
        set_role(member, Role.OWNER, by=by, at=at, why=why)
    else:
        invite(customer, email=email, role=Role.OWNER, by=by, at=at, why=why)


@transaction.atomic
def remove(member: Member, *, by: User, at: datetime) -> None:
    """Removes a member, or lets them leave. Raises Refused for the last owner."""
    customer = customers.locked(member.customer)
    member = _current(member, customer)
    if member.role == Role.OWNER:
        _replace_owner(customer, member)
    email = member.user.email
    member.delete()
    customers.record(Act.Kind.LEFT, customer, by=by, at=at, why=email)


def _current(member: Member, customer: Customer) -> Member:
    """Returns the member as it is now that the customer is locked."""
    now = customer.members.select_related("user").filter(pk=member.pk).first()
    if now is None:
        msg = "This person has left the team already."
        raise Refused(msg)
    return now


def _replace_owner(customer: Customer, leaving: Member) -> None:
    """Makes sure that another owner remains, and that `customer.user` is one."""
    others = customer.members.exclude(pk=leaving.pk).filter(role=Role.OWNER)
    heir = others.select_related("user").order_by("joined_at", "pk").first()
    if heir is None:
        msg = f"{leaving.user.email} is the last owner. Make another member an owner first."
        raise Refused(msg)
    if customer.user_id == leaving.user_id:
        customer.user = heir.user
        customer.save(update_fields=["user"])


def _dissolve(customer: Customer, member: Member) -> None:
    """Deletes the customer record of a user who has done nothing yet. Raises Refused otherwise."""
    refused = Refused(
        "You belong to another team. Leave it first, on its Team page; if you are its last owner,"
        " contact us."
    )
    if customer.members.exclude(pk=member.pk).exists():
        raise refused
    try:
        customer.delete()
    except ProtectedError:
        raise refused from None


def _said(email: str, role: Role, why: str) -> str:
    return f"{email}, {role.label}{f': {why}' if why else ''}"
