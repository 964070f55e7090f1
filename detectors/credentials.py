"""Credentials that are used as their owner would not."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.conf import settings

from detectors import rules, situations
from detectors.bounds import SLOT
from detectors.counting import Added
from detectors.models import Actor, Sum
from detectors.rules import DAY, HOUR, MINUTE, Signal

# "AROA...:i-0123456789abcdef0" is the session of an instance; "AROA...:i-smith" is a person's.
_of_an_instance = re.compile(r":i-(?:[0-9a-f]{8}|[0-9a-f]{17})\Z")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def own_addresses() -> list[Network]:
    """Returns the networks of OWN_ADDRESSES. Raises ValueError if one is invalid.

    A system check reports an invalid value at startup.
    """
    return [ipaddress.ip_network(one.strip(), strict=False) for one in settings.OWN_ADDRESSES]


def _is_away(address: str, own: Sequence[Network]) -> bool:
    """Whether it is a public address that is not one of the own networks."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False  # a service
    return number.is_global and not any(number in network for network in own)


def of_credential(added: Added, actors: Sequence[Actor]) -> Iterable[Signal]:
    """Yields the signals of the credentials of one principal, whose actors these are."""
    since, until = added.since, added.until
    active = [one for one in actors if since <= one.last_at <= until + SLOT]
    for actor in active:
        rested = added.dormant.get(actor.access_key, 0)
        if rested >= rules.DORMANT:
            sign = f"The access key was not used for {rested // DAY} days before."
            yield rules.unauthorized(sign, first_at=since, last_at=until)
            break
    sessions = {one.source for one in active if _of_an_instance.search(one.principal_id)}
    own = own_addresses()
    if own:
        away = [one for one in active if one.source in sessions and _is_away(one.address, own)]
        if away:
            sign = (
                f"The session of an instance is used from {away[0].address}, which is not in"
                " OWN_ADDRESSES."
            )
            yield rules.unauthorized(sign, first_at=since, last_at=until)
            return
    if situations.is_learning(added.bucket, since):
        return
    strange = situations.strange(added.bucket, actors, until)
    new = [one for one in strange if one.source in sessions]
    if new and not own and situations.is_known(added.bucket, actors, until):
        sign = f"The session of an instance is used from the new network {new[0].source}."
        yield rules.unauthorized(sign, first_at=since, last_at=until)
        return
    by_key: dict[str, list[Actor]] = defaultdict(list)
    for actor in actors:
        if actor.access_key and actor.last_at > since - HOUR:
            by_key[actor.access_key].append(actor)
    for uses in by_key.values():
        if len(uses) < 2 or len(actors) > rules.NETWORKS_MAX:
            continue
        slots: dict[int, list[int]] = defaultdict(list)
        rows = Sum.objects.filter(
            actor__in=uses, grain__lte=MINUTE, at__gt=since - HOUR, at__lte=until
        ).values_list("actor_id", "at")
        for pk, at in rows:
            slots[pk].append(at)
        both = rules.alternates(rules.Use(one.source, one.first_at, slots[one.pk]) for one in uses)
        if both:
            sign = (
                f"The access key is used from {both[0]} and from the new network {both[1]} at once."
            )
            yield rules.unauthorized(sign, first_at=since, last_at=until)
            return
