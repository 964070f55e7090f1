"""What messages say: as much as their rule says, and no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from actions.aws import sns
from actions.models import Reaction, ReactionKind
from findings.models import Finding, Mention
from notifications.models import OF_THE_PORTAL, RANKS, Detail, Notice, Rule, Trigger
from storage.instants import human

LISTED = 10  # findings or actions in one message
ENTITIES = 10  # of one finding
KINDS_LISTED = 30  # in a digest


@dataclass(frozen=True, slots=True)
class Said:
    """A message before it is addressed."""

    title: str
    text: str
    url: str
    severity: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Known:
    """What the messages of a round can name, read in few queries."""

    findings: dict[int, Finding] = field(default_factory=dict)
    reactions: dict[int, Reaction] = field(default_factory=dict)
    actions: dict[int, list[Reaction]] = field(default_factory=lambda: defaultdict(list))
    entities: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, notices: Collection[Notice]) -> Known:
        """Reads what these notices refer to."""
        known = cls()
        pks = {one.finding_pk for one in notices if one.finding_pk}
        known.findings = Finding.objects.defer("raw").in_bulk(pks)
        known.reactions = Reaction.objects.in_bulk(
            [one.reaction_pk for one in notices if one.reaction_pk]
        )
        told = {one.finding_pk for one in notices if one.trigger == Trigger.FINDING}
        actions = Reaction.objects.filter(finding__in=told).exclude(kind=ReactionKind.NOTIFY)
        for action in actions.order_by("pk"):
            if len(known.actions[action.finding_id or 0]) < sns.LISTED:
                known.actions[action.finding_id or 0].append(action)
        mentions = Mention.objects.filter(finding__in=told).select_related("entity")
        for mention in mentions.order_by("-is_actor", "pk"):
            names = known.entities[mention.finding_id]
            if mention.entity.name not in names and len(names) < ENTITIES:
                names.append(mention.entity.name)
        return known


def of_group(rule: Rule, notices: Sequence[Notice], known: Known, *, repeats: int) -> Said:
    """Returns one message about several notices of one kind and account."""
    if rule.trigger in OF_THE_PORTAL:
        return _of_the_portal(rule, notices[0])
    if rule.trigger == Trigger.FINDING:
        return _of_findings(rule, notices, known, repeats)
    return _of_actions(rule, notices, known)


def _of_the_portal(rule: Rule, notice: Notice) -> Said:
    about = notice.about
    url = settings.PORTAL_URL + about["path"]
    data = _data(rule, notice.severity, 1, url) | {"title": about["title"], "text": about["text"]}
    return Said(about["title"], about["text"], url, notice.severity, data)


def _of_findings(rule: Rule, notices: Sequence[Notice], known: Known, repeats: int) -> Said:
    first, count = notices[0], len(notices)
    severity = highest(one.severity for one in notices)
    where = f" in {first.account_id}" if first.account_id else ""
    what = first.what or "Unparsed finding"
    more = f"{repeats} more of the same type, entity and account were held." if repeats else ""
    found = [known.findings[one.finding_pk or 0] for one in notices[:LISTED] if _is_in(one, known)]
    if count == 1:
        url = _event_url(first.finding_pk or 0)
        title = f"{severity} {what}{where}".strip()
        lines = _lines(found[0], known) if found and rule.detail == Detail.FULL else []
    else:
        url = _list_url(first.what, first.account_id)
        title = f"{count} x {what}{where}, up to {severity}" if severity else f"{count} x {what}"
        lines = [_line(one, known) for one in found] if rule.detail == Detail.FULL else []
        lines += _and_more(lines, count)
    if repeats:
        title += f" (x {repeats} more)"
    if rule.each and found and rule.detail == Detail.FULL:
        data: Mapping[str, Any] = sns.about(found[0], known.actions[found[0].pk])
    else:
        data = _data(rule, severity, count, url) | {
            "repeats": repeats,
            "finding_type": first.what,
            "account_id": first.account_id,
        }
        if rule.detail == Detail.FULL:
            data["findings"] = [sns.about(one, known.actions[one.pk]) for one in found]
    return Said(title, "\n".join(filter(None, [*lines, more])) or title, url, severity, data)


def _is_in(notice: Notice, known: Known) -> bool:
    return notice.finding_pk in known.findings


def _lines(finding: Finding, known: Known) -> list[str]:
    """Returns all that a message says about one finding."""
    score = f"{finding.severity} ({finding.score})" if finding.severity else "unknown"
    lines = [
        finding.title or finding.problem,
        finding.description,
        f"Severity: {score}. Seen {finding.count} times, last on {human(finding.seen_at)}.",
        f"Region: {finding.region}." if finding.region else "",
        _named("Entities", known.entities[finding.pk]),
        f"Policy: {finding.action}.",
    ]
    return [line for line in lines if line] + [
        _of_action(one) for one in known.actions[finding.pk][:LISTED]
    ]


def _line(finding: Finding, known: Known) -> str:
    names = ", ".join(known.entities[finding.pk][:3])
    parts = [finding.severity, finding.title or finding.problem, names]
    return " · ".join(filter(None, parts))


def _named(label: str, names: Sequence[str]) -> str:
    return f"{label}: {', '.join(names)}." if names else ""


def _of_action(action: Reaction) -> str:
    outcome = f" {action.outcome}" if action.outcome else ""
    return f"{action.get_kind_display()} {action.target}: {action.get_state_display()}.{outcome}"


def _of_actions(rule: Rule, notices: Sequence[Notice], known: Known) -> Said:
    first, count = notices[0], len(notices)
    severity = highest(one.severity for one in notices)
    where = f" in {first.account_id}" if first.account_id else ""
    label = Trigger(rule.trigger).label
    pks = [one.reaction_pk or 0 for one in notices[:LISTED]]
    done = [known.reactions[pk] for pk in pks if pk in known.reactions]  # retention deletes some
    is_full = rule.detail == Detail.FULL
    what = f"{first.what} {done[0].target}" if count == 1 and is_full and done else first.what
    title = f"{label}: {what}{where}" if count == 1 else f"{count} x {label}: {what}{where}"
    path = reverse("api:get_actions")
    if count == 1 and first.finding_pk:
        url = _event_url(first.finding_pk)
    else:
        url = f"{settings.PORTAL_URL}{path}?{urlencode({'action': first.what})}"
    lines = [_of_action(one) for one in done] if is_full else []
    lines += _and_more(lines, count)
    data = _data(rule, severity, count, url) | {
        "action": first.what,
        "account_id": first.account_id,
    }
    if is_full:
        data["actions"] = [sns.of_action(one) for one in done]
    return Said(title, "\n".join(lines) or title, url, severity, data)


def of_digest(rule: Rule, counts: Sequence[Mapping[str, Any]]) -> Said:
    """Returns the message of a digest. `counts` has what, account_id, severity and count."""
    total = sum(one["count"] for one in counts)
    severity = highest(one["severity"] for one in counts)
    label = Trigger(rule.trigger).label.lower()
    title = f"{total} x {label}" + (f", up to {severity}" if severity else "")
    in_order = sorted(
        counts, key=lambda one: (-RANKS.get(one["severity"], -1), -one["count"], one["what"])
    )
    lines = [
        " ".join(
            filter(
                None,
                [
                    f"{one['count']} x",
                    one["severity"],
                    one["what"],
                    f"in {one['account_id']}" if one["account_id"] else "",
                ],
            )
        )
        for one in in_order[:KINDS_LISTED]
    ]
    if len(in_order) > KINDS_LISTED:
        lines.append(f"And {len(in_order) - KINDS_LISTED} more kinds.")
    path = reverse("findings:events" if rule.trigger == Trigger.FINDING else "api:get_actions")
    url = settings.PORTAL_URL + path
    data = _data(rule, severity, total, url) | {"kinds": list(in_order[:KINDS_LISTED])}
    return Said(f"{rule.name}: {title}", "\n".join(lines), url, severity, data)


def of_repeats(rule: Rule, what: str, account_id: str, severity: str, count: int) -> Said:
    """Returns the word about repeats that were held, and that no other message has counted."""
    parts = [severity, what or "Unparsed finding", f"in {account_id}" if account_id else ""]
    title = f"{count} more: {' '.join(filter(None, parts))}"
    url = _list_url(what, account_id)
    data = _data(rule, severity, count, url) | {
        "repeats": count,
        "finding_type": what,
        "account_id": account_id,
    }
    return Said(title, f"{count} repeats were held since the last message.", url, severity, data)


def of_held_back(titles: Sequence[str], count: int, *, per_hour: int) -> Said:
    """Returns the word about messages that the limit of a destination held back."""
    messages = "1 message was" if count == 1 else f"{count} messages were"
    title = f"{messages} held back by the limit of {per_hour} an hour"
    lines = list(titles[:LISTED])
    lines += _and_more(lines, count)
    url = settings.PORTAL_URL + reverse("api:get_notifications")
    data = {"trigger": "held back", "count": count, "url": url, "titles": lines}
    return Said(title, "\n".join(lines), url, "", data)


def highest(severities: Iterable[str]) -> str:
    """Returns the highest severity; "" if none is known."""
    found: str = max(severities, key=lambda one: RANKS.get(one, -1), default="")
    return found


def _data(rule: Rule, severity: str, count: int, url: str) -> dict[str, Any]:
    return {
        "trigger": rule.trigger,
        "rule": rule.name,
        "severity": severity or None,
        "count": count,
        "url": url,
    }


def _event_url(pk: int) -> str:
    return f"{settings.PORTAL_URL}{reverse('console:event', args=[pk])}"


def _and_more(lines: Sequence[str], count: int) -> list[str]:
    """Returns the line about what the lines leave out, if they say anything."""
    return [f"And {count - len(lines)} more."] if 0 < len(lines) < count else []


def _list_url(finding_type: str, account_id: str) -> str:
    asked = {"type": finding_type, "account": account_id}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{settings.PORTAL_URL}{reverse('findings:events')}?{query}"
