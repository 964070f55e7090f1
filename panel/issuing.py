"""Issues, replaces and revokes licenses, and suspends customers.

Each function runs in one transaction that first locks the customer's row (panel.customers), adds an
Act to the journal, and writes the mails that tell of it. It raises Refused if the request is not
allowed, or SigningError if the key cannot sign; nothing is changed then.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from license import token
from license.claims import Plan
from license.reasons import LicenseError
from panel import account_proof, customers, mail, term
from panel.customers import Refused
from panel.models import Act, Customer, IssuedLicense, Order, Revocation
from panel.signing import signing_key

MAX_REPLACEMENTS = (
    5  # per license, by its customer, within LATELY; each adds to the revocation list
)
LATELY = timedelta(days=30)


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


@transaction.atomic
def start_trial(
    customer: Customer, *, account_id: str, name: str, at: datetime, by: User | None = None
) -> IssuedLicense:
    """Issues a Trial that starts at `at`. `name` is shown in the license.

    The journal shows `by`; without it, the customer's main owner.

    Raises NotProven, TrialTaken if the AWS account ever had a Trial, and Suspended.
    """
    customer = customers.locked(customer)
    customers.insist_on_good_standing(customer)
    if not account_proof.is_proven(customer, account_id):
        raise NotProven(account_id)
    customers.rename(customer, name)
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


def fulfil(order: Order, customer: Customer, *, by: User | None, at: datetime) -> None:
    """Issues the license of a paid order of the locked customer.

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


@transaction.atomic
def replace(
    old: IssuedLicense, *, by: User, why: str, at: datetime, account_id: str = ""
) -> IssuedLicense:
    """Issues a key for the rest of the term, and revokes the old one.

    The key is for `account_id`; empty means the same account as before.

    Raises Suspended, or Refused if the license is revoked or expired, or if its customer has
    replaced it too often.
    """
    customer = customers.locked(old.customer)
    customers.insist_on_good_standing(customer)
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
    customers.record(Act.Kind.REPLACED, customer, by=by, at=at, license=old, why=why)
    return new


@transaction.atomic
def revoke(license: IssuedLicense, *, by: User, why: str, at: datetime) -> None:
    """Revokes the license for good: it is on the next revocation list.

    Raises Refused if it is already revoked.
    """
    customer = customers.locked(license.customer)
    _insist_on_unrevoked(license)
    Revocation.objects.create(license=license, revoked_at=at)
    customers.record(Act.Kind.REVOKED, customer, by=by, at=at, license=license, why=why)
    mail.revoked(license, why)


@transaction.atomic
def suspend(customer: Customer, *, by: User, why: str, at: datetime) -> None:
    """Stops issuing licenses for this customer. Issued licenses stay valid.

    Raises Refused if the customer is already suspended.
    """
    customer = customers.locked(customer)
    if customer.is_suspended:
        msg = f"{customer} is already suspended."
        raise Refused(msg)
    customer.is_suspended = True
    customer.save(update_fields=["is_suspended"])
    customers.record(Act.Kind.SUSPENDED, customer, by=by, at=at, why=why)
    mail.suspended(customer, why)


@transaction.atomic
def reinstate(customer: Customer, *, by: User, why: str, at: datetime) -> None:
    """Lifts a suspension and issues the licenses of the orders that were paid meanwhile.

    Raises Refused if the customer is not suspended.
    """
    customer = customers.locked(customer)
    if not customer.is_suspended:
        msg = f"{customer} is not suspended."
        raise Refused(msg)
    customer.is_suspended = False
    customer.save(update_fields=["is_suspended"])
    customers.record(Act.Kind.REINSTATED, customer, by=by, at=at, why=why)
    mail.reinstated(customer, why)
    for order in customer.order_set.filter(license=None).exclude(paid_at=None).order_by("paid_at"):
        fulfil(order, customer, by=by, at=at)


def _insist_on_unrevoked(license: IssuedLicense) -> None:
    if Revocation.objects.filter(license=license).exists():
        msg = f"The license {license.jti} is already revoked."
        raise Refused(msg)


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
    customers.record(Act.Kind.ISSUED, customer, by=by, at=at, license=issued, order=order, why=why)
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
