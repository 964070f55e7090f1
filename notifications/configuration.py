"""Changes rules and destinations together, and logs it, for the pages and the API."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from accounts.api_auth import Caller
from notifications import destination_settings, rule_settings
from notifications.destination_settings import (
    DESTINATIONS_MAX,
    PREVIOUS,
    SECRET,
    DestinationSettings,
)
from notifications.destinations import BadDestination, new_secret
from notifications.models import (
    NAME_MAX_LENGTH,
    NO_KEY,
    Change,
    Destination,
    NotificationChange,
    Rule,
)
from notifications.rule_settings import RULES_MAX, RuleSettings
from problems import etags
from storage import encryption
from storage.locks import advisory_lock


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
        sorted(
            ([one.name, rule_settings.as_json(one)] for one in rule_settings.rules()),
            key=lambda one: str(one[0]),
        ),
    ]
    return etags.etag(content)


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
    changed: list[Change | None] = []
    secrets: dict[str, str] = {}
    for name, wanted in destinations.items():
        where = ("destinations", name)
        if wanted is None:
            continue  # after the rules, which may refer to it
        if problem := _problem_of_name(name):
            errors[where] = problem
            continue
        try:
            changed.append(destination_settings.put(name, wanted, secrets=secrets))
        except BadDestination as bad:
            errors |= {(*where, "settings", key): text for key, text in bad.errors.items()}
        except ValueError as error:
            errors[where] = str(error)
    for name, settings in rules.items():
        if settings is None:
            changed.append(rule_settings.remove(name, at=at))
            continue
        problem = _problem_of_name(name)
        found = ({"name": problem} if problem else {}) | dict(rule_settings.errors_of(settings))
        errors |= {("rules", name, member): text for member, text in found.items()}
        if not found:
            changed.append(rule_settings.put(name, settings))
    for name, wanted in destinations.items():
        if wanted is None:
            try:
                changed.append(destination_settings.remove(name, at=at))
            except ValueError as error:
                errors["destinations", name] = str(error)
    if Rule.objects.present().count() > RULES_MAX:
        errors["rules",] = f"At most {RULES_MAX} rules are possible."
    if Destination.objects.present().count() > DESTINATIONS_MAX:
        errors["destinations",] = f"At most {DESTINATIONS_MAX} destinations are possible."
    if errors:
        raise NotValid(errors)
    return Changes(_logged(changed, by, at), etag(), secrets)


def _problem_of_name(name: str) -> str:
    """Returns what is wrong with the name of a rule or a destination, or ""."""
    if not name or name != name.strip() or not name.isprintable() or len(name) > NAME_MAX_LENGTH:
        return f"A name has 1 to {NAME_MAX_LENGTH} characters that can be displayed."
    return ""


def _logged(changed: Iterable[Change | None], by: Caller, at: datetime) -> list[NotificationChange]:
    entries = [
        NotificationChange(
            changed_at=at,
            changed_by=by.user,
            changed_by_name=by.name,
            client_id=by.client_id,
            **one._asdict(),
        )
        for one in changed
        if one
    ]
    return NotificationChange.objects.bulk_create(entries)


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
    _set(destination, settings, by=by, at=at)
    return secret


def forget_previous(destination: Destination, *, by: Caller, at: datetime) -> None:
    """Ends the rotation of the secret of a webhook."""
    _set(destination, {PREVIOUS: ""}, by=by, at=at)


def _set(
    destination: Destination, settings: Mapping[str, str], *, by: Caller, at: datetime
) -> None:
    wanted = DestinationSettings(destination.kind, settings, destination.per_hour)
    set_notifications(rules={}, destinations={destination.name: wanted}, by=by, at=at)
