from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from notifications import configuration, delivery, destination_settings, rule_settings
from notifications.checks import problem_of
from notifications.configuration import NotValid, caller_of
from notifications.destination_settings import PREVIOUS, WEBHOOK
from notifications.destinations import KINDS, Kind
from notifications.forms import DestinationForm, RuleForm, add_errors, filters_of
from notifications.models import (
    Delivery,
    DeliveryAttempt,
    Destination,
    NotificationChange,
    Rule,
)

may_see = permission_required("notifications.view_rule", raise_exception=True)
may_change = permission_required("notifications.change_rule", raise_exception=True)
may_change_destinations = permission_required(
    "notifications.change_destination", raise_exception=True
)

HERE = "api:get_notifications"  # the page and the API resource share a URL
SHOWN = 25
WAITS = timedelta(minutes=1)  # for the answer to a test


@require_safe
@login_required
@may_see
def notification_list(request: HttpRequest) -> HttpResponse:
    """Shows the Notifications page."""
    context = {
        "rules": [(rule, filters_of(rule)) for rule in rule_settings.rules()],
        "destinations": [(one, problem_of(one)) for one in destination_settings.destinations()],
        "deliveries": _newest(),
        "kinds": KINDS.values(),
        "changes": NotificationChange.objects.newest_first()[:SHOWN],
    }
    return render(request, "notifications/notifications.html", context)


def _newest(**where: Any) -> list[Delivery]:
    tries = Prefetch("attempts", DeliveryAttempt.objects.order_by("pk"))
    found = Delivery.objects.filter(**where).select_related("destination", "rule")
    return list(found.prefetch_related(tries).order_by("-pk")[:SHOWN])


# Rules


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@may_change
def add_rule(request: HttpRequest) -> HttpResponse:
    """Adds a rule."""
    return _rule(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@may_see
def rule_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows a rule, and changes it."""
    rule = get_object_or_404(Rule.objects.present(), pk=pk)
    if request.method == "POST":
        return may_change(_rule)(request, rule)
    return _rule(request, rule)


def _rule(request: HttpRequest, rule: Rule | None) -> HttpResponse:
    form = RuleForm(request.POST if request.method == "POST" else None, rule=rule)
    if request.method == "POST" and form.is_valid():
        name = rule.name if rule else form.cleaned_data["name"]
        if rule is None and Rule.objects.present().filter(name=name).exists():
            form.add_error("name", "Another rule has this name.")
        elif _is_saved(request, form, rules={name: form.settings()}):
            messages.success(request, f"The rule {name} is saved.")
            return redirect(HERE)
    context = {
        "form": form,
        "rule": rule,
        "may_change": request.user.has_perm("notifications.change_rule"),
        "deliveries": _newest(rule=rule) if rule else [],
    }
    return render(request, "notifications/rule.html", context)


@require_POST
@may_change
def remove_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Removes a rule. Its messages stay in the log."""
    rule = get_object_or_404(Rule.objects.present(), pk=pk)
    _set(request, rules={rule.name: None})
    messages.success(request, f"The rule {rule.name} is removed.")
    return redirect(HERE)


# Destinations


@sensitive_variables()
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@may_change_destinations
def add_destination(request: HttpRequest, kind: str) -> HttpResponse:
    """Adds a destination of a kind, and shows the secret of a webhook once."""
    if kind not in KINDS:
        return redirect(HERE)
    form = DestinationForm(request.POST if request.method == "POST" else None, kind=KINDS[kind])
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        if Destination.objects.present().filter(name=name).exists():
            form.add_error("name", "Another destination has this name.")
        elif changes := _is_saved(request, form, destinations={name: form.settings()}):
            added = Destination.objects.present().get(name=name)
            if secret := changes.secrets.get(name):
                return _destination(request, added, secret=secret)
            messages.success(request, f"{name} is added. Send a test.")
            return redirect("notifications:destination", added.pk)
    return render(
        request, "notifications/add_destination.html", {"form": form, "kind": KINDS[kind]}
    )


@require_safe
@login_required
@may_see
def destination_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows the state of a destination, its messages, and its settings without secrets."""
    return _destination(request, _present(pk))


def _present(pk: int) -> Destination:
    return get_object_or_404(Destination.objects.present(), pk=pk)


@sensitive_variables()
def _destination(
    request: HttpRequest,
    one: Destination,
    *,
    form: DestinationForm | None = None,
    secret: str = "",
) -> HttpResponse:
    kind: Kind | None = KINDS.get(one.kind)
    newest = _newest(destination=one)
    waiting = [each for each in newest if each.is_test and not each.is_settled]
    late = bool(waiting) and waiting[0].created_at < timezone.now() - WAITS
    context = {
        "destination": one,
        "masked": _labelled(one),
        "problem": problem_of(one),
        "deliveries": newest,
        "rules": one.rules.present().order_by("name"),
        "secret": secret,
        "rotates": one.kind == WEBHOOK,
        "has_previous": bool(one.settings.get(PREVIOUS)),
        "may_change": request.user.has_perm("notifications.change_destination") and kind,
        "form": form or (DestinationForm(kind=kind, destination=one) if kind else None),
        # Without a script, the page asks again until a test is answered, for a minute.
        "waits": waiting and not late and not secret and request.method != "POST",
        "late": late,
    }
    response = render(request, "notifications/destination.html", context)
    if secret:
        response["Cache-Control"] = "no-store"
    return response


def _labelled(one: Destination) -> list[tuple[str, str]]:
    kind = KINDS.get(one.kind)
    labels = {field.name: field.label for field in kind.fields} if kind else {}
    return [(labels.get(name, name), value) for name, value in one.masked().items()]


@sensitive_variables()
@sensitive_post_parameters()
@require_POST
@may_change_destinations
def change_destination(request: HttpRequest, pk: int) -> HttpResponse:
    """Changes the settings of a destination."""
    one = _present(pk)
    if one.kind not in KINDS:
        return redirect("notifications:destination", pk)
    form = DestinationForm(request.POST, kind=KINDS[one.kind], destination=one)
    if form.is_valid() and _is_saved(request, form, destinations={one.name: form.settings()}):
        messages.success(request, f"{one.name} is saved.")
        return redirect("notifications:destination", pk)
    return _destination(request, one, form=form)


@require_POST
@may_change_destinations
def send_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Adds a test message. The page shows the answer as soon as a worker has it."""
    delivery.test(_present(pk), by=request.user.get_username(), at=timezone.now())
    return redirect("notifications:destination", pk)


@require_POST
@may_change_destinations
@sensitive_variables()
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """Gives a webhook another secret, and shows it once. The old one signs too."""
    one = _present(pk)
    if one.kind != WEBHOOK:
        return redirect("notifications:destination", pk)
    try:
        secret = configuration.rotate(one, by=_caller(request), at=timezone.now())
    except NotValid as refused:
        messages.error(request, str(refused))
        return redirect("notifications:destination", pk)
    return _destination(request, _present(pk), secret=secret)


@require_POST
@may_change_destinations
def forget_previous(request: HttpRequest, pk: int) -> HttpResponse:
    """Ends the rotation: only the new secret signs."""
    one = _present(pk)
    if one.kind == WEBHOOK:
        try:
            configuration.forget_previous(one, by=_caller(request), at=timezone.now())
            messages.success(request, "Only the new secret signs messages.")
        except NotValid as refused:
            messages.error(request, str(refused))
    return redirect("notifications:destination", pk)


@require_POST
@may_change_destinations
def remove_destination(request: HttpRequest, pk: int) -> HttpResponse:
    """Removes a destination that no rule uses. Its messages stay in the log."""
    one = _present(pk)
    try:
        _set(request, destinations={one.name: None})
    except NotValid as refused:
        messages.error(request, str(refused))
        return redirect("notifications:destination", pk)
    messages.success(request, f"{one.name} is removed.")
    return redirect(HERE)


@sensitive_variables()
def _is_saved(
    request: HttpRequest, form: RuleForm | DestinationForm, **wanted: Any
) -> configuration.Changes | None:
    """Saves, or adds the errors to the form and returns None."""
    try:
        return _set(request, **wanted)
    except NotValid as refused:
        add_errors(form, refused)
        return None


@sensitive_variables()
def _set(
    request: HttpRequest, *, rules: Any = None, destinations: Any = None
) -> configuration.Changes:
    return configuration.set_notifications(
        rules=rules or {},
        destinations=destinations or {},
        by=_caller(request),
        at=timezone.now(),
    )


def _caller(request: HttpRequest) -> Any:
    return caller_of(cast(User, request.user))
