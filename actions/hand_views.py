"""The pages on which an operator requests actions: on an event, on an entity, on many events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from actions import by_hand, offers
from actions.by_hand import NotPossible, Request
from actions.forms import HandForm
from actions.models import BUCKET_USE, CONTAINMENTS, IN_AN_ACCOUNT, Reaction, ReactionKind, State
from actions.offers import ALLOW, ActionTarget, Offer
from actions.views import HERE, caller_of
from actions.wishes import Rules
from findings import bulk
from findings.guardduty.parser import Kind
from findings.models import Entity, Finding, Mention

MANY = 100  # findings in one request

# The pages show what the findings name.
may_act = permission_required(
    ["findings.view_finding", "actions.add_reaction"], raise_exception=True
)


def form_about(targets: Sequence[ActionTarget], data: Any = None) -> HandForm | None:
    """Returns the form for what can be requested about these targets; None if nothing can."""
    found = list(offers.about(targets))
    return HandForm([(one.value, one.label) for one in found], data) if found else None


def named_by(finding: Finding) -> list[ActionTarget]:
    """Returns the targets about which an action on the event can be requested.

    They are the actors, resources that are no addresses (those are the account's own), and what a
    principal does on a bucket.
    """
    rows = Mention.objects.filter(finding=finding).select_related("entity").order_by("pk")
    found = [
        ActionTarget.of(row.entity)
        for row in rows
        if row.is_actor or row.entity.kind != Kind.ADDRESS
    ]
    return list(dict.fromkeys(found + offers.bucket_uses(finding)))


@require_POST
@may_act
def on_event(request: HttpRequest, pk: int) -> HttpResponse:
    """Requests an action on the page of an event."""
    finding = get_object_or_404(Finding, pk=pk)
    return _requested(request, named_by(finding), finding, redirect("console:event", pk))


@require_POST
@may_act
def on_entity(request: HttpRequest, pk: int) -> HttpResponse:
    """Requests an action on the page of an entity."""
    entity = get_object_or_404(Entity, pk=pk)
    return _requested(request, [ActionTarget.of(entity)], None, redirect("console:entity", pk))


def _requested(
    request: HttpRequest,
    targets: Sequence[ActionTarget],
    finding: Finding | None,
    back: HttpResponse,
) -> HttpResponse:
    form = form_about(targets, request.POST)
    if form is None:
        raise Http404
    if not form.is_valid():
        context = {"form": form, "back": back["Location"], "about": finding or targets[0].name}
        return render(request, "actions/by_hand.html", context)
    offer = Offer.of(form.cleaned_data["what"])
    wanted = form.request(offer.target, finding, offer.what)
    try:
        _tell(request, offer, _act(wanted, request))
    except NotPossible as reason:
        messages.error(request, f"{offer.label}: {reason}")
    return back


def _act(wanted: Request, request: HttpRequest, *, rules: Rules | None = None) -> Reaction | bool:
    by = caller_of(request)
    if wanted.what == ALLOW:
        return by_hand.allow(wanted, by=by, at=timezone.now())
    return by_hand.act(wanted, by=by, at=timezone.now(), rules=rules)


def _tell(request: HttpRequest, offer: Offer, done: Reaction | bool) -> None:
    if isinstance(done, bool):
        text = "was added to" if done else "is already on"
        messages.success(request, f"{offer.target.name} {text} the allowlist.")
    elif done.state == State.PREVENTED:
        messages.warning(request, f"{offer.label} was prevented. {done.outcome}")
    elif done.state == State.DRY_RUN:
        messages.info(request, f"{offer.label} was logged. {done.outcome}")
    else:
        messages.success(request, f"{offer.label} was requested. A worker carries it out.")


@require_http_methods(["GET", "HEAD", "POST"])
@may_act
def on_many(request: HttpRequest) -> HttpResponse:
    """Shows what selected events name, and requests one action for all of it.

    `show`, which the form of the selected events on the Events page has, only shows it.
    """
    is_sent = request.method == "POST" and "show" not in request.POST
    asked = (request.POST if request.method == "POST" else request.GET).getlist("finding")
    selected = Finding.objects.filter(pk__in=bulk.primary_keys(asked[:MANY]))
    findings = list(selected.defer("description").order_by("-seen_at"))
    if not findings:
        messages.info(request, "Select at least one event.")
        return redirect("findings:events")
    named = [(finding, named_by(finding)) for finding in findings]
    kinds = {target.kind for _, targets in named for target in targets}
    choices = [
        (str(kind), f"{kind.label} {_in_words(one.targets & kinds)}")
        for kind, one in CONTAINMENTS.items()
        if one.targets & kinds
    ]
    if choices:
        choices.append((ALLOW, "Allow all of these, each for the type of its finding"))
    form = HandForm(choices, request.POST if is_sent else None)
    if is_sent and choices and form.is_valid():
        counts = Counter(_each(request, form, named))
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        messages.success(request, f"Actions on {len(findings)} events: {told or 'none'}.")
        return redirect(HERE)
    return render(request, "actions/many.html", {"form": form, "named": named, "choices": choices})


_PLURALS = {Kind.ADDRESS: "addresses", BUCKET_USE: "principals on their buckets"}


def _in_words(kinds: Iterable[str]) -> str:
    names = [_PLURALS.get(kind, f"{kind}s") for kind in sorted(kinds)]
    return f"all {' and '.join(names)}"


def _each(
    request: HttpRequest, form: HandForm, named: Sequence[tuple[Finding, Sequence[ActionTarget]]]
) -> Iterator[str]:
    """Acts once for each target, and yields how each ended.

    A role or an instance of the same name in two accounts is two targets.
    """
    what = form.cleaned_data["what"]
    kinds = (
        {kind for one in CONTAINMENTS.values() for kind in one.targets}
        if what == ALLOW
        else CONTAINMENTS[ReactionKind(what)].targets
    )
    seen = set()
    rules = Rules.now()
    for finding, targets in named:
        for target in targets:
            once = (
                target,
                finding.finding_type if what == ALLOW else "",
                finding.account_id if what in IN_AN_ACCOUNT else "",
            )
            if target.kind not in kinds or once in seen:
                continue
            seen.add(once)
            try:
                wanted = form.request(target, finding, what)
                done = _act(wanted, request, rules=rules)
            except NotPossible:
                yield "not possible"
            else:
                if isinstance(done, bool):
                    yield "allowed" if done else "allowed already"
                else:
                    yield str(done.get_state_display()).lower()
