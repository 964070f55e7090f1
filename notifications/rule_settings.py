"""Rules: what a user sets for one, which errors it can have, and how it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from notifications.models import (
    OF_THE_PORTAL,
    Change,
    Destination,
    NotificationChange,
    Rule,
    Trigger,
    When,
)

RULES_MAX = 200
PATTERNS_MAX = 100
PATTERN_MAX_LENGTH = 300
PATTERNS = ("types", "accounts", "entities", "tags")


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What a user sets for a rule."""

    trigger: str
    destinations: Sequence[str] = ()  # their names
    enabled: bool = True
    severity: str = ""
    types: Sequence[str] = ()
    accounts: Sequence[str] = ()
    entities: Sequence[str] = ()
    tags: Sequence[str] = ()
    when: str = "now"
    daily_at: time = time(8)
    quiet_from: time | None = None
    quiet_to: time | None = None
    time_zone: str = "UTC"
    detail: str = "full"
    each: bool = False


def rules() -> list[Rule]:
    """Returns the rules by name, with their destinations."""
    return list(Rule.objects.present().prefetch_related("destinations").order_by("name"))


def as_json(rule: Rule) -> dict[str, Any]:
    """Returns the settings of a rule, as in the API and the log."""

    def shown(at: time | None) -> str | None:
        return f"{at:%H:%M}" if at else None

    return {
        "enabled": rule.enabled,
        "trigger": rule.trigger,
        "severity": rule.severity or None,
        "types": rule.types,
        "accounts": rule.accounts,
        "entities": rule.entities,
        "tags": rule.tags,
        "destinations": sorted(
            one.name for one in rule.destinations.all() if one.removed_at is None
        ),
        "when": rule.when,
        "daily_at": shown(rule.daily_at),
        "quiet_from": shown(rule.quiet_from),
        "quiet_to": shown(rule.quiet_to),
        "time_zone": rule.time_zone,
        "detail": rule.detail,
        "each": rule.each,
    }


def errors_of(wanted: RuleSettings) -> Iterator[tuple[str, str]]:
    """Yields a member and a message for each error."""
    for member in PATTERNS:
        if problem := problem_of_patterns(getattr(wanted, member)):
            yield member, problem
    found = set(
        Destination.objects.present()
        .filter(name__in=wanted.destinations)
        .values_list("name", flat=True)
    )
    if not wanted.destinations:
        yield "destinations", "Choose one or more destinations."
    elif missing := set(wanted.destinations) - found:
        yield "destinations", f"There is no destination {', '.join(sorted(missing))}."
    if (wanted.quiet_from is None) != (wanted.quiet_to is None):
        yield "quiet_to", "Quiet hours have a beginning and an end."
    try:
        ZoneInfo(wanted.time_zone)
    except (ValueError, OSError, KeyError):
        yield "time_zone", "This time zone is unknown. Use a name like Europe/Berlin."
    if wanted.each and (wanted.trigger != Trigger.FINDING or wanted.when != When.NOW):
        yield "each", "Only findings that are told at once can have a message each."
    filtered = wanted.severity or any(getattr(wanted, member) for member in PATTERNS)
    if wanted.trigger in OF_THE_PORTAL and filtered:
        yield "trigger", "This trigger is about the portal, and has no filters."


def problem_of_patterns(patterns: Sequence[str]) -> str:
    """Returns what is wrong with the patterns of a filter, or ""."""
    if len(patterns) > PATTERNS_MAX:
        return f"At most {PATTERNS_MAX} patterns are possible."
    if any(not 0 < len(one) <= PATTERN_MAX_LENGTH or not one.isprintable() for one in patterns):
        return f"A pattern has 1 to {PATTERN_MAX_LENGTH} characters that can be displayed."
    return ""


def put(name: str, wanted: RuleSettings) -> Change | None:
    """Adds or changes a rule, whose settings have no errors. Returns the change for the log."""
    rule = Rule.objects.present().filter(name=name).first()
    before = as_json(rule) if rule else None
    rule = rule or Rule(name=name)
    for member in RuleSettings.__slots__:
        if member != "destinations":
            value = getattr(wanted, member)
            setattr(rule, member, list(value) if member in PATTERNS else value)
    rule.save()
    rule.destinations.set(Destination.objects.present().filter(name__in=wanted.destinations))
    after = as_json(Rule.objects.prefetch_related("destinations").get(pk=rule.pk))
    return None if before == after else Change(NotificationChange.What.RULE, name, before, after)


def remove(name: str, *, at: datetime) -> Change | None:
    """Removes a rule, if there is one. Returns the change for the log."""
    rule = Rule.objects.present().filter(name=name).first()
    if rule is None:
        return None
    before = as_json(rule)
    rule.removed_at = at
    rule.save(update_fields=["removed_at"])
    return Change(NotificationChange.What.RULE, name, before, None)
