"""Destinations: what a user sets for one, and how it is stored, with encrypted secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notifications.destinations import KINDS, new_secret
from notifications.models import NO_KEY, Change, Destination, NotificationChange, Rule, State
from storage import encryption

DESTINATIONS_MAX = 100
PER_HOUR_MAX = 100_000
WEBHOOK = "webhook"
SECRET, PREVIOUS = "secret", "previous_secret"  # of a webhook


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """What a user sets for a destination.

    Secrets that are missing or masked in `settings` stay as they are; "" removes one.
    """

    kind: str
    settings: Mapping[str, str]
    per_hour: int = 60


def destinations() -> list[Destination]:
    """Returns the destinations by name."""
    return list(Destination.objects.present().order_by("name"))


def as_json(one: Destination) -> dict[str, Any]:
    """Returns the settings of a destination with masked secrets, as in the API and the log."""
    return {"kind": one.kind, "settings": one.masked(), "per_hour": one.per_hour}


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


def put(name: str, wanted: DestinationSettings, *, secrets: dict[str, str]) -> Change | None:
    """Adds or changes a destination. Returns the change for the log.

    A secret that it generates is put into `secrets`. Raises BadDestination and ValueError.
    """
    if wanted.kind not in KINDS:
        raise ValueError(f"The kinds are {', '.join(KINDS)}.")
    if not 0 <= wanted.per_hour <= PER_HOUR_MAX:
        raise ValueError(f"The messages an hour are 0 to {PER_HOUR_MAX}; 0 sets no limit.")
    one = Destination.objects.present().filter(name=name).first()
    if one and one.kind != wanted.kind:
        raise ValueError("The kind of a destination cannot change. Add another one.")
    before, known = None, {}
    if one:
        before, known = as_json(one), _known(one, wanted)
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
    after = as_json(one) | ({"new_secrets": hidden} if hidden else {})
    return Change(NotificationChange.What.DESTINATION, name, before, after)


def remove(name: str, *, at: datetime) -> Change | None:
    """Removes a destination, if there is one. Returns the change for the log.

    Raises ValueError if a rule still needs it.
    """
    one = Destination.objects.present().filter(name=name).first()
    if one is None:
        return None
    used = Rule.objects.present().filter(destinations=one).order_by("name")
    if names := list(used.values_list("name", flat=True)[:5]):
        raise ValueError(f"Rules use it: {', '.join(names)}. Change or remove them first.")
    before = as_json(one)
    one.deliveries.filter(state__in=[State.PENDING, State.HELD]).update(
        state=State.FAILED, settled_at=at, due_at=None
    )
    one.removed_at, one.settings = at, {}
    one.save()
    return Change(NotificationChange.What.DESTINATION, name, before, None)


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
