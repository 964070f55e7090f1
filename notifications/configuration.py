"""Adds, changes and removes rules and destinations, and logs it, for the page and the API."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db import transaction

from accounts.api_auth import Caller
from notifications.destinations import KINDS, BadDestination, new_secret
from notifications.models import (
    NAME_MAX_LENGTH,
    NO_KEY,
    OF_THE_PORTAL,
    Destination,
    NotificationChange,
    Rule,
    State,
    Trigger,
    When,
)
from problems import etags
from storage import encryption
from storage.locks import advisory_lock

RULES_MAX = 200
DESTINATIONS_MAX = 100
PATTERNS_MAX = 100
PATTERN_MAX_LENGTH = 300
PER_HOUR_MAX = 100_000
PATTERNS = ("types", "accounts", "entities", "tags")
WEBHOOK = "webhook"
SECRET, PREVIOUS = "secret", "previous_secret"  # of a webhook


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


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """What a user sets for a destination.

    Secrets that are missing or masked in `settings` stay as they are; "" removes one.
    """

    kind: str
    settings: Mapping[str, str]
    per_hour: int = 60


@dataclass(frozen=True, slots=True)
class Changes:
    """The result of an update."""

    changed: list[NotificationChange]
    etag: str  # of all rules and destinations, after it
    secrets: Mapping[str, str] = field(default_factory=dict)  # generated, by destination


class NotValid(Exception):
    """Settings are wrong, and nothing was changed. `errors` has a message for each path."""

    def __init__(self, errors: Mapping[tuple[str, ...], str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


class StaleNotifications(etags.Stale):
    """The rules or destinations have changed since the caller read them. Nothing was changed."""

    code = "stale_notifications"
    said = "The notification rules or destinations have changed since you read them."


def etag() -> str:
    """Returns a strong entity tag of all rules and destinations, with their secrets."""
    content = [
        sorted(
            [one.name, one.kind, one.per_hour, json.dumps(one.settings, sort_keys=True)]
            for one in Destination.objects.present()
        ),
        sorted(([one.name, rule_as_json(one)] for one in rules()), key=lambda one: str(one[0])),
    ]
    return etags.etag(content)


def rules() -> list[Rule]:
    """Returns the rules by name, with their destinations."""
    return list(Rule.objects.present().prefetch_related("destinations").order_by("name"))


def destinations() -> list[Destination]:
    """Returns the destinations by name."""
    return list(Destination.objects.present().order_by("name"))


def rule_as_json(rule: Rule) -> dict[str, Any]:
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


def destination_as_json(one: Destination) -> dict[str, Any]:
    """Returns the settings of a destination with masked secrets, as in the API and the log."""
    return {"kind": one.kind, "settings": one.masked(), "per_hour": one.per_hour}


def caller_of(user: User) -> Caller:
    """Returns the caller that is this user."""
    return Caller(name=user.get_username(), user=user)


@transaction.atomic
def set_notifications(
    *,
    rules: Mapping[str, RuleSettings | None],
    destinations: Mapping[str, DestinationSettings | None],
    by: Caller,
    at: datetime,
    if_match: Collection[str] | None = None,
) -> Changes:
    """Adds or changes what is listed, and removes what is None; all or nothing.

    Raises NotValid, and StaleNotifications if the entity tag is none of `if_match`.
    """
    advisory_lock("notifications.configuration")
    if if_match is not None:
        etags.insist(if_match, etag(), StaleNotifications)
    errors: dict[tuple[str, ...], str] = {}
    changed: list[NotificationChange] = []
    secrets: dict[str, str] = {}
    log = _Log(by, at)
    for name, wanted in destinations.items():
        where = ("destinations", name)
        if wanted is None:
            continue  # after the rules, which may refer to it
        try:
            if change := _set_destination(name, wanted, log, secrets):
                changed.append(change)
        except BadDestination as bad:
            errors |= {(*where, "settings", key): text for key, text in bad.errors.items()}
        except ValueError as error:
            errors[where] = str(error)
    for name, settings in rules.items():
        found = dict(_errors_of_rule(name, settings)) if settings else {}
        if found:
            errors |= {("rules", name, key): text for key, text in found.items()}
        elif change := _set_rule(name, settings, log):
            changed.append(change)
    for name, wanted in destinations.items():
        if wanted is None:
            try:
                if change := _remove_destination(name, log):
                    changed.append(change)
            except ValueError as error:
                errors["destinations", name] = str(error)
    if Rule.objects.present().count() > RULES_MAX:
        errors["rules",] = f"At most {RULES_MAX} rules are possible."
    if Destination.objects.present().count() > DESTINATIONS_MAX:
        errors["destinations",] = f"At most {DESTINATIONS_MAX} destinations are possible."
    if errors:
        raise NotValid(errors)
    NotificationChange.objects.bulk_create(changed)
    return Changes(changed, etag(), secrets)


def reencrypt() -> int:
    """Encrypts the secrets of destinations again with the first key. Returns their number.

    Raises InvalidToken.
    """
    count = 0
    for one in Destination.objects.present().select_for_update():
        one.settings = {
            name: encryption.encrypt_again(value) if value.startswith(encryption.PREFIX) else value
            for name, value in one.settings.items()
        }
        one.save(update_fields=["settings"])
        count += 1
    return count


encryption.others["destinations"] = reencrypt


@dataclass(frozen=True, slots=True)
class _Log:
    by: Caller
    at: datetime

    def change(self, what: str, name: str, before: Any, after: Any) -> NotificationChange:
        return NotificationChange(
            changed_at=self.at,
            changed_by=self.by.user,
            changed_by_name=self.by.name,
            client_id=self.by.client_id,
            what=what,
            name=name,
            before=before,
            after=after,
        )


def problem_of_name(name: str) -> str:
    """Returns what is wrong with the name of a rule or a destination, or ""."""
    if not name or name != name.strip() or not name.isprintable() or len(name) > NAME_MAX_LENGTH:
        return f"A name has 1 to {NAME_MAX_LENGTH} characters that can be displayed."
    return ""


def _set_destination(
    name: str, wanted: DestinationSettings, log: _Log, secrets: dict[str, str]
) -> NotificationChange | None:
    """Raises BadDestination and ValueError."""
    if problem := problem_of_name(name):
        raise ValueError(problem)
    if wanted.kind not in KINDS:
        raise ValueError(f"The kinds are {', '.join(KINDS)}.")
    if not 0 <= wanted.per_hour <= PER_HOUR_MAX:
        raise ValueError(f"The messages an hour are 0 to {PER_HOUR_MAX}; 0 sets no limit.")
    one = Destination.objects.present().filter(name=name).first()
    if one and one.kind != wanted.kind:
        raise ValueError("The kind of a destination cannot change. Add another one.")
    before, known = None, {}
    if one:
        before, known = destination_as_json(one), _known(one, wanted)
    plain = _merged(wanted, known, one.masked() if one else {})
    if wanted.kind == WEBHOOK and not plain.get(SECRET):
        plain[SECRET] = secrets[name] = new_secret()
    plain = {key: text for key, value in plain.items() if (text := str(value or "").strip())}
    if plain != known:
        plain = KINDS[wanted.kind].clean(plain)  # that of Apprise starts a process
    if one and plain == known and one.per_hour == wanted.per_hour:
        return None
    one = one or Destination(name=name, kind=wanted.kind)
    if plain != known:
        one.seal(plain)
        one.follows_setting = False  # `topic.py` sets it again if it made the change
        one.failing_since = one.paused_until = None  # the new settings may work
        one.failures = 0
    one.per_hour = wanted.per_hour
    one.save()
    hidden = [
        each.name
        for each in KINDS[wanted.kind].fields
        if each.secret and before and plain.get(each.name) != known.get(each.name)
    ]
    after = destination_as_json(one) | ({"new_secrets": hidden} if hidden else {})
    return log.change(NotificationChange.What.DESTINATION, name, before, after)


def _known(one: Destination, wanted: DestinationSettings) -> dict[str, str]:
    """Returns the stored settings, without those that no key decrypts if all of them are replaced.

    Raises ValueError if one of them would be kept.
    """
    try:
        return one.open_settings()
    except encryption.NoKeyError:
        masked = one.masked()
        for each in KINDS[one.kind].fields:
            is_new = wanted.settings.get(each.name, masked.get(each.name)) != masked.get(each.name)
            if each.secret and each.name in masked and not is_new:
                raise ValueError(NO_KEY) from None
        return {}


def _merged(
    wanted: DestinationSettings, known: Mapping[str, str], masked: Mapping[str, str]
) -> dict[str, str]:
    """Returns the settings with the stored secrets that are missing or masked."""
    plain = dict(wanted.settings)
    for each in KINDS[wanted.kind].fields:
        is_kept = each.name not in plain or plain[each.name] == masked.get(each.name)
        if each.secret and is_kept and each.name in known:
            plain[each.name] = known[each.name]
    return plain


def _remove_destination(name: str, log: _Log) -> NotificationChange | None:
    """Raises ValueError if a rule still needs it."""
    one = Destination.objects.present().filter(name=name).first()
    if one is None:
        return None
    used = Rule.objects.present().filter(destinations=one).order_by("name")
    if names := list(used.values_list("name", flat=True)[:5]):
        raise ValueError(f"Rules use it: {', '.join(names)}. Change or remove them first.")
    before = destination_as_json(one)
    one.deliveries.filter(state__in=[State.PENDING, State.HELD]).update(
        state=State.FAILED, settled_at=log.at, due_at=None
    )
    one.removed_at, one.settings = log.at, {}
    one.save()
    return log.change(NotificationChange.What.DESTINATION, name, before, None)


def _errors_of_rule(name: str, wanted: RuleSettings) -> Iterator[tuple[str, str]]:
    """Yields a member and a message for each error."""
    if problem := problem_of_name(name):
        yield "name", problem
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


def _set_rule(name: str, wanted: RuleSettings | None, log: _Log) -> NotificationChange | None:
    rule = Rule.objects.present().filter(name=name).first()
    before = rule_as_json(rule) if rule else None
    if wanted is None:
        if rule is None:
            return None
        rule.removed_at = log.at
        rule.save(update_fields=["removed_at"])
        return log.change(NotificationChange.What.RULE, name, before, None)
    rule = rule or Rule(name=name)
    for member in RuleSettings.__slots__:
        if member != "destinations":
            value = getattr(wanted, member)
            setattr(rule, member, list(value) if member in PATTERNS else value)
    rule.save()
    rule.destinations.set(Destination.objects.present().filter(name__in=wanted.destinations))
    after = rule_as_json(Rule.objects.prefetch_related("destinations").get(pk=rule.pk))
    if before == after:
        return None
    return log.change(NotificationChange.What.RULE, name, before, after)


def rotate(destination: Destination, *, by: Caller, at: datetime) -> str:
    """Gives a webhook a new secret and returns it. The one before signs too, until `forget`.

    Raises NotValid while an earlier rotation goes on: receivers may still use the secret before.
    """
    if destination.settings.get(PREVIOUS):
        where = ("destinations", destination.name)
        raise NotValid({where: "The secret is being rotated. End that rotation first."})
    try:
        before = destination.open_settings()[SECRET]
    except encryption.NoKeyError:
        raise NotValid({("destinations", destination.name): NO_KEY}) from None
    secret = new_secret()
    settings = {SECRET: secret, PREVIOUS: before}
    _change(destination, settings, by=by, at=at)
    return secret


def forget_previous(destination: Destination, *, by: Caller, at: datetime) -> None:
    """Ends the rotation of the secret of a webhook."""
    _change(destination, {PREVIOUS: ""}, by=by, at=at)


def _change(
    destination: Destination, settings: Mapping[str, str], *, by: Caller, at: datetime
) -> None:
    wanted = DestinationSettings(destination.kind, settings, destination.per_hour)
    set_notifications(rules={}, destinations={destination.name: wanted}, by=by, at=at)
