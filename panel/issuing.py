"""Takes orders, issues, replaces and revokes licenses, and suspends customers.

Each function runs in one transaction that first locks the customer's row, so that concurrent
requests wait for each other. On SQLite a transaction takes the write lock when it begins
(transaction_mode in settings.py). Each function adds an Act to the journal and writes the mails
that tell of it. It raises Refused if the request is not allowed, or SigningError if the key cannot
sign; nothing is changed then.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from license import token
from license.claims import Plan
from license.reasons import LicenseError
from panel import account_proof, invoicing, mail, selling, term
from panel.models import (
    Act,
    Customer,
    IssuedLicense,
    Member,
    Order,
    Revocation,
    Role,
)
from panel.signing import signing_key

MAX_REPLACEMENTS = (
    5  # per license, by its customer, within LATELY; each adds to the revocation list
)
LATELY = timedelta(days=30)


class Refused(Exception):
    """The request is not allowed. The text is shown to people and never names another customer."""


class TrialTaken(Refused):
    """The AWS account has already used its trial."""

    def __init__(self, account_id: str) -> None:
        super().__init__(
            f"AWS account {account_id} has already used its trial. Each account gets one trial."
            " A Paid license starts immediately."
        )


class NotProven(Refused):
    """The customer has not proven that the AWS account is theirs."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"Prove that AWS account {account_id} is yours before its trial starts.")


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


@transaction.atomic
def start_trial(
    customer: Customer, *, account_id: str, name: str, at: datetime, by: User | None = None
) -> IssuedLicense:
    """Issues a Trial that starts at `at`. `name` is shown in the license.

    The journal shows `by`; without it, the customer's main owner.

    Raises NotProven, TrialTaken if the AWS account ever had a Trial, and Suspended.
    """
    customer = locked(customer)
    _insist_on_good_standing(customer)
    if not account_proof.is_proven(customer, account_id):
        raise NotProven(account_id)
    _rename(customer, name)
    # A trial that was moved to this account counts too. The database's constraint handles
    # concurrent requests.
    if IssuedLicense.objects.filter(aws_account_id=account_id, plan=Plan.TRIAL).exists():
        raise TrialTaken(account_id)
    begins = at.replace(microsecond=0)
    try:
        with transaction.atomic():
            return _issue(
                customer,
                account_id=account_id,
                plan=Plan.TRIAL,
                begins=begins,
                ends=term.trial_until(begins),
                by=by or customer.user,
                at=at,
            )
    except IntegrityError:
        raise TrialTaken(account_id) from None


@transaction.atomic
def place_order(
    customer: Customer,
    *,
    account_id: str,
    months: int,
    name: str,
    billing: selling.Billing,
    at: datetime,
    by: User | None = None,
) -> Order:
    """Returns the customer's unpaid order for this account and term; creates it if there is none.

    The order keeps today's price. If customers pay by bank transfer, its invoice is issued now.

    Raises Suspended, or Refused if nothing can be ordered, or if the unpaid order has another
    price, name or address.
    """
    customer = locked(customer)
    _insist_on_good_standing(customer)
    if not selling.is_open():
        msg = "Paid licenses cannot be ordered at the moment. Contact us."
        raise Refused(msg)
    quote = selling.quote(months, country=billing.country, vat_id=billing.vat_id)
    agreed = {"company": name, **asdict(billing), **asdict(quote)}
    order = customer.order_set.filter(
        aws_account_id=account_id, months=months, paid_at=None, cancelled_at=None
    ).first()
    if order:
        if any(getattr(order, field) != value for field, value in agreed.items()):
            msg = (
                f"{order} for this AWS account and term awaits payment, with another price or"
                " other billing details. Pay it, or cancel it to order again."
            )
            raise Refused(msg)
        return order
    _rename(customer, name)
    order = Order.objects.create(
        customer=customer, aws_account_id=account_id, months=months, placed_at=at, **agreed
    )
    _record(Act.Kind.ORDERED, customer, by=by or customer.user, at=at, order=order)
    mail.order_received(order, None if selling.by_card() else invoicing.issue(order, at=at))
    return order


@transaction.atomic
def settle(
    order: Order, *, paid_by: Order.Payment, by: User | None, why: str, at: datetime
) -> Order:
    """Marks an order paid and issues its license. Idempotent.

    Invoices and Stripe both end here. For a suspended customer, the license is issued by
    `reinstate`. Returns the order. Raises Refused if it is cancelled.
    """
    customer = locked(order.customer)
    order = _read_again(order)
    if order.cancelled_at:
        msg = f"{order} is cancelled."
        raise Refused(msg)
    is_new = order.paid_at is None
    if is_new:
        order.paid_at, order.paid_by = at, paid_by
        order.save(update_fields=["paid_at", "paid_by"])
        invoicing.issue(order, at=at)
        _record(Act.Kind.PAID, customer, by=by, at=at, order=order, why=why)
    if order.status is Order.Status.ON_HOLD and not customer.is_suspended:
        _fulfil(order, customer, by=by, at=at)
    elif is_new:
        mail.order_on_hold(order)
    return order


@transaction.atomic
def undo_payment(order: Order, *, by: User, why: str, at: datetime) -> None:
    """Makes a paid order unpaid, until its license is issued: while its customer is suspended.

    Raises Refused otherwise.
    """
    customer = locked(order.customer)
    order = _read_again(order)
    if order.status is Order.Status.DONE:
        msg = f"The key of {order} was issued. Revoke the license {order.license} instead."
        raise Refused(msg)
    if order.status is not Order.Status.ON_HOLD:
        msg = f"{order} is not paid."
        raise Refused(msg)
    order.paid_at, order.paid_by = None, ""
    order.stripe_session = None  # it is complete, and cannot be paid again
    try:
        with transaction.atomic():
            order.save(update_fields=["paid_at", "paid_by", "stripe_session"])
    except IntegrityError:
        msg = f"{customer} has another unpaid order for this AWS account and term. Cancel it first."
        raise Refused(msg) from None
    _record(Act.Kind.UNPAID, customer, by=by, at=at, order=order, why=why)
    mail.payment_undone(order, why)


@transaction.atomic
def cancel(order: Order, *, by: User, at: datetime, why: str = "") -> None:
    """Cancels an unpaid order for good, and its invoice with a credit note.

    The caller has closed `order.stripe_session`: see panel.payments.cancel. Raises Refused if the
    order is paid or cancelled, or if another session was opened meanwhile.
    """
    customer = locked(order.customer)
    session, order = order.stripe_session, _read_again(order)
    if order.status is not Order.Status.OPEN:
        msg = f"{order} cannot be cancelled: it is {order.status.value}."
        raise Refused(msg)
    if order.stripe_session != session:
        msg = f"A payment of {order} was started meanwhile. Try again."
        raise Refused(msg)
    order.cancelled_at = at
    order.save(update_fields=["cancelled_at"])
    invoice = order.invoice
    credit_note = invoicing.credit(invoice, at=at) if invoice else None
    _record(Act.Kind.CANCELLED, customer, by=by, at=at, order=order, why=why)
    mail.order_cancelled(order, why, credit_note)


@transaction.atomic
def replace(
    old: IssuedLicense, *, by: User, why: str, at: datetime, account_id: str = ""
) -> IssuedLicense:
    """Issues a key for the rest of the term, and revokes the old one.

    The key is for `account_id`; empty means the same account as before.

    Raises Suspended, or Refused if the license is revoked or expired, or if its customer has
    replaced it too often.
    """
    customer = locked(old.customer)
    _insist_on_good_standing(customer)
    _insist_on_unrevoked(old)
    if not by.is_staff and _replaced_lately(old, at) >= MAX_REPLACEMENTS:
        msg = (
            f"This license has been replaced {MAX_REPLACEMENTS} times in the last"
            f" {LATELY.days} days. Contact us to replace it again."
        )
        raise Refused(msg)
    if at >= old.expires_at:
        msg = f"The license {old.jti} has expired and cannot be replaced."
        raise Refused(msg)
    new = _issue(
        customer,
        account_id=account_id or old.aws_account_id,
        plan=Plan(old.plan),
        begins=max(at.replace(microsecond=0), old.not_before),
        ends=old.expires_at,
        by=by,
        at=at,
        replaces=old,
        why=why,
    )
    Revocation.objects.create(license=old, revoked_at=at)
    _record(Act.Kind.REPLACED, customer, by=by, at=at, license=old, why=why)
    return new


@transaction.atomic
def revoke(license: IssuedLicense, *, by: User, why: str, at: datetime) -> None:
    """Revokes the license for good: it is on the next revocation list.

    Raises Refused if it is already revoked.
    """
    customer = locked(license.customer)
    _insist_on_unrevoked(license)
    Revocation.objects.create(license=license, revoked_at=at)
    _record(Act.Kind.REVOKED, customer, by=by, at=at, license=license, why=why)
    mail.revoked(license, why)


@transaction.atomic
def suspend(customer: Customer, *, by: User, why: str, at: datetime) -> None:
    """Stops issuing licenses for this customer. Issued licenses stay valid.

    Raises Refused if the customer is already suspended.
    """
    customer = locked(customer)
    if customer.is_suspended:
        msg = f"{customer} is already suspended."
        raise Refused(msg)
    customer.is_suspended = True
    customer.save(update_fields=["is_suspended"])
    _record(Act.Kind.SUSPENDED, customer, by=by, at=at, why=why)
    mail.suspended(customer, why)


@transaction.atomic
def reinstate(customer: Customer, *, by: User, why: str, at: datetime) -> None:
    """Lifts a suspension and issues the licenses of the orders that were paid meanwhile.

    Raises Refused if the customer is not suspended.
    """
    customer = locked(customer)
    if not customer.is_suspended:
        msg = f"{customer} is not suspended."
        raise Refused(msg)
    customer.is_suspended = False
    customer.save(update_fields=["is_suspended"])
    _record(Act.Kind.REINSTATED, customer, by=by, at=at, why=why)
    mail.reinstated(customer, why)
    for order in customer.order_set.filter(license=None).exclude(paid_at=None).order_by("paid_at"):
        _fulfil(order, customer, by=by, at=at)


def _read_again(order: Order) -> Order:
    """Returns the order as it is now that its customer is locked, and locks it as well.

    panel.payments writes the order's session without the customer's lock: it waits then.
    """
    rows = Order.objects.select_for_update(of=("self",))
    return rows.select_related("license", "customer__user").get(pk=order.pk)


def _rename(customer: Customer, name: str) -> None:
    if customer.name != name:
        customer.name = name
        customer.save(update_fields=["name"])


def _insist_on_good_standing(customer: Customer) -> None:
    if customer.is_suspended:
        raise Suspended(customer.why_suspended)


def _insist_on_unrevoked(license: IssuedLicense) -> None:
    if Revocation.objects.filter(license=license).exists():
        msg = f"The license {license.jti} is already revoked."
        raise Refused(msg)


def _fulfil(order: Order, customer: Customer, *, by: User | None, at: datetime) -> None:
    """Issues the license of a paid order.

    It starts when the customer's last Paid license for the account ends, so that no day is lost.
    Without one, for example after a Trial, it starts at `at`.
    """
    present = (
        customer.issuedlicense_set.unrevoked()
        .filter(aws_account_id=order.aws_account_id, plan=Plan.PAID, expires_at__gt=at)
        .order_by("-expires_at")
        .first()
    )
    begins = present.expires_at if present else at.replace(microsecond=0)
    _issue(
        customer,
        account_id=order.aws_account_id,
        plan=Plan.PAID,
        begins=begins,
        ends=term.paid_until(begins, order.months),
        by=by,
        at=at,
        order=order,
    )


@sensitive_variables()
def _issue(
    customer: Customer,
    *,
    account_id: str,
    plan: Plan,
    begins: datetime,
    ends: datetime,
    by: User | None,
    at: datetime,
    order: Order | None = None,
    replaces: IssuedLicense | None = None,
    why: str = "",
) -> IssuedLicense:
    jti = str(uuid.uuid4())
    try:
        key = token.issue(
            signing_key=signing_key(),
            jti=jti,
            aws_account_id=account_id,
            plan=plan,
            issued_at=at,
            not_before=begins,
            expires_at=ends,
            customer=customer.name,
            revokes=_ancestors(replaces),
        )
    except LicenseError as error:  # a portal would reject the key
        raise Refused(str(error)) from None
    issued = IssuedLicense.objects.create(
        customer=customer,
        key=key,
        jti=jti,
        aws_account_id=account_id,
        plan=plan,
        issued_at=at,
        not_before=begins,
        expires_at=ends,
        order=order,
        replaces=replaces,
    )
    _record(Act.Kind.ISSUED, customer, by=by, at=at, license=issued, order=order, why=why)
    mail.license_issued(issued)
    return issued


def _replaced_lately(license: IssuedLicense, at: datetime) -> int:
    replacements = IssuedLicense.objects.filter(jti__in=_ancestors(license), replaces__isnull=False)
    return replacements.filter(issued_at__gt=at - LATELY).count()


def _ancestors(replaced: IssuedLicense | None) -> Iterable[str]:
    """The ids of the replaced license and of those it replaced. A portal may have any of them."""
    while replaced:
        yield replaced.jti
        replaced = replaced.replaces


def _record(
    kind: Act.Kind,
    customer: Customer,
    *,
    by: User | None,
    at: datetime,
    license: IssuedLicense | None = None,
    order: Order | None = None,
    why: str = "",
) -> None:
    Act.objects.create(
        kind=kind, customer=customer, by=by, at=at, license=license, order=order, why=why
    )
