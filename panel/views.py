"""The customer's pages of licenses, and the forms to request and replace them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from allauth.core.internal import ratelimit  # the public one counts by allauth.account's rates only
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from license.claims import Plan
from panel import account_proof, customers, issuing, ordering, orders, roles, selling, teams, term
from panel.account_proof import ProofRefused
from panel.customers import Refused
from panel.forms import OrderForm, ReasonForm, RequestForm, TrialForm, normalized
from panel.issuing import TrialTaken
from panel.models import Customer, IssuedLicense, Member, Order
from panel.roles import Power
from panel.selling import Billing
from panel.team_views import insist

RATES = {"request": "20/h/user,60/h/ip"}  # requests that can issue a license


@require_safe
@never_cache
@sensitive_variables()
def licenses(request: HttpRequest) -> HttpResponse:
    """Lists the customer's licenses and open orders."""
    member = _member(request)
    customer, at = member.customer, timezone.now()
    rows = customer.issuedlicense_set.with_fate().select_related("replaces").newest_first()
    context = {
        "accounts": _by_account(rows, at),
        "orders": (
            customer.order_set.filter(license=None, cancelled_at=None)
            .select_related("license")
            .order_by("-pk")
        ),
        "customer": customer,
        "may_see_keys": roles.may(member, Power.KEYS),
        "may_order": roles.may(member, Power.ORDERS),
        "invitations": teams.invitations_for(member.user, at),
    }
    return render(request, "panel/licenses.html", context)


@require_safe
@never_cache
@sensitive_variables()
def download(request: HttpRequest, jti: UUID) -> HttpResponse:
    """Returns the license key as a text file for `setlicense --file`."""
    insist(request, Power.KEYS)
    issued = _license(request, jti)
    return HttpResponse(
        f"{issued.key}\n",
        content_type="text/plain; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="license-{issued.aws_account_id}.txt"'
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache  # the page contains a challenge and an address
@sensitive_post_parameters("proof")
@sensitive_variables()
def request_license(request: HttpRequest) -> HttpResponse:
    """Starts a Trial or places an order. Links from a portal set `account_id` and `plan`."""
    asked_for = request.GET.get("plan") or _usual_plan(request)
    plan = Plan.TRIAL if asked_for == Plan.TRIAL else Plan.PAID
    customer = insist(request, Power.KEYS if plan is Plan.TRIAL else Power.ORDERS).customer
    form_class = OrderForm if plan is Plan.PAID else TrialForm
    if request.method != "POST":
        initial = {"account_id": request.GET.get("account_id", ""), "name": customer.name}
        if request.GET.get("months") in {"1", "12"}:
            initial["months"] = request.GET["months"]
        latest = customer.order_set.order_by("-pk").first()
        for field in fields(Billing) if latest else []:
            if field.name != "purchase_order":
                initial[field.name] = getattr(latest, field.name)
        return _request_page(request, customer, plan, form_class(initial=initial))
    if not ratelimit.consume(request, app="panel", action="request", config=RATES):
        return render(request, "429.html", status=429)
    form = form_class(request.POST)
    if not form.is_valid():
        return _request_page(request, customer, plan, form)
    asked = form.cleaned_data
    try:
        if not isinstance(form, OrderForm):
            return _trial(request, customer, asked)
        return _order(request, customer, asked, form.billing)
    except ProofRefused as refused:
        form.add_error("proof" if account_proof.can_ask_aws() else None, str(refused))
        return _request_page(request, customer, plan, form)
    except Refused as refused:
        form.add_error(None, str(refused))
        taken = asked["account_id"] if isinstance(refused, TrialTaken) else ""
        return _request_page(request, customer, plan, form, taken=taken)


@require_http_methods(["GET", "HEAD", "POST"])
def replace(request: HttpRequest, jti: UUID) -> HttpResponse:
    """Replaces a lost or compromised key with a new one for the same account."""
    insist(request, Power.KEYS)
    issued = _license(request, jti)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not ratelimit.consume(request, app="panel", action="request", config=RATES):
            return render(request, "429.html", status=429)
        try:
            issuing.replace(
                issued,
                by=cast(User, request.user),
                why=form.cleaned_data["why"],
                at=timezone.now(),
            )
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            done = "Here is the new key. Install it soon: the old key is revoked."
            messages.success(request, done)
            return redirect("licenses")
    return render(request, "panel/replace.html", {"license": issued, "form": form})


@sensitive_variables()
def _trial(request: HttpRequest, customer: Customer, asked: dict[str, Any]) -> HttpResponse:
    account_id, at, by = asked["account_id"], timezone.now(), cast(User, request.user)
    if not account_proof.is_proven(customer, account_id):
        account_proof.prove(customer, asked["proof"], account_id=account_id, by=by, at=at)
    issuing.start_trial(customer, account_id=account_id, name=asked["name"], at=at, by=by)
    messages.success(request, "Your trial has started. The key is below.")
    return redirect("licenses")


def _order(
    request: HttpRequest, customer: Customer, asked: dict[str, Any], billing: Billing
) -> HttpResponse:
    placed = ordering.place_order(
        customer,
        account_id=asked["account_id"],
        months=asked["months"],
        name=asked["name"],
        billing=billing,
        at=timezone.now(),
        by=cast(User, request.user),
    )
    if selling.by_card():
        return orders.to_stripe(request, placed)
    messages.success(request, f"{placed} is placed. We email it to you, with the invoice.")
    return redirect("order", placed.pk)


def _request_page(
    request: HttpRequest, customer: Customer, plan: Plan, form: RequestForm, *, taken: str = ""
) -> HttpResponse:
    account_id = form["account_id"].value() or ""
    can_order = selling.is_open()
    context = {
        "form": form,
        "plan": plan,
        "taken": taken,
        "account_id": account_id,
        "can_order": can_order,
        "by_card": selling.by_card(),
        "prices": _prices() if can_order else [],
        "tax_depends_on_country": can_order and selling.depends_on_country(),
    }
    if plan is Plan.TRIAL:
        is_proven = account_proof.is_proven(customer, normalized(account_id))
        challenge = account_proof.new_challenge(customer)
        context |= {
            "is_proven": is_proven,
            "can_ask_aws": account_proof.can_ask_aws(),
            "not_asked": account_proof.NOT_ASKED,
            "challenge": challenge,
            "command": account_proof.command(challenge),
            "trial_ends_at": term.trial_until(timezone.now()),
        }
    return render(request, "panel/request_license.html", context)


def _prices() -> list[dict[str, str]]:
    """What each term costs a customer in the seller's country."""
    prices = []
    for months, label in Order._meta.get_field("months").flatchoices:
        quote = selling.quote(months)
        prices.append(
            {
                "term": label,
                "net": selling.money(quote.net, quote.currency),
                "tax_label": quote.tax_label,
                "tax": selling.money(quote.tax, quote.currency),
                "total": selling.money(quote.total, quote.currency),
            }
        )
    return prices


def _by_account(
    rows: Iterable[IssuedLicense], at: datetime
) -> dict[str, list[tuple[IssuedLicense, IssuedLicense.Status, bool]]]:
    """Groups licenses by AWS account, with their status and whether they can be renewed.

    While an account has Paid licenses that have not ended, only the last of them can be renewed.
    """
    accounts: dict[str, list[tuple[IssuedLicense, IssuedLicense.Status, bool]]] = {}
    rows = list(rows)
    last: dict[str, IssuedLicense] = {}
    for row in sorted(rows, key=lambda row: row.expires_at):
        if row.plan == Plan.PAID and not row.is_revoked and at < row.expires_at:
            last[row.aws_account_id] = row
    for row in rows:
        renewable = last.get(row.aws_account_id, row) == row
        accounts.setdefault(row.aws_account_id, []).append((row, row.status(at), renewable))
    return accounts


def _usual_plan(request: HttpRequest) -> Plan:
    return Plan.TRIAL if roles.may(_member(request), Power.KEYS) else Plan.PAID


def _member(request: HttpRequest) -> Member:
    return customers.member_of(cast(User, request.user))  # LoginRequiredMiddleware requires sign-in


def _license(request: HttpRequest, jti: UUID) -> IssuedLicense:
    rows = IssuedLicense.objects.with_fate()
    return get_object_or_404(rows, jti=jti, customer=_member(request).customer)
