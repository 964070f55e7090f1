"""Makes messages of what is in the outbox: holds repeats, groups, and sums up.

One transaction under a lock does it: any number of workers can call it, and a kill loses nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count, QuerySet

from actions.models import Reaction, ReactionKind
from actions.models import State as ActionState
from findings import retention
from notifications import messages
from notifications.limits import Post, tell_what_was_held_back
from notifications.messages import Known
from notifications.models import (
    DIGEST,
    OF_THE_PORTAL,
    REPEATS,
    Delivery,
    DeliveryAttempt,
    Hold,
    Notice,
    Rule,
    State,
    Trigger,
    When,
)
from notifications.outbox import digest
from storage import bulk
from storage.locks import advisory_lock

logger = logging.getLogger(__name__)

LOCK = "notifications.gather"
BATCH = 1000  # notices in one transaction
# So long a finding waits until its actions are done, which the message then can tell.
FOR_ACTIONS = timedelta(seconds=15)
HOUR = timedelta(hours=1)
HOLDS = {"LOW": timedelta(hours=24), "MEDIUM": timedelta(hours=8)}  # all others for an hour
KEPT = timedelta(days=30)  # what was taken from the outbox
_T = TypeVar("_T")


@transaction.atomic
def gather(at: datetime) -> int:
    """Makes messages of what is due. Returns how many notices it has looked at.

    Notices of which no message can be made are logged and skipped: they stop no others.
    """
    waiting = Notice.objects.filter(taken_at=None, ready_at__lte=at)
    held_back = Delivery.objects.filter(state=State.HELD)
    repeats = Hold.objects.filter(held__gt=0, until__lte=at)
    # As nearly always, without the lock.
    if not (waiting.exists() or held_back.exists() or repeats.exists()):
        return 0
    advisory_lock(LOCK)
    _tried(lambda: tell_what_was_held_back(at), "what was held back")
    due = list(waiting.order_by("ready_at", "pk")[:BATCH])
    rules = {rule.pk: rule for rule in Rule.objects.filter(pk__in={one.rule_id for one in due})}
    by_rule: dict[int, list[Notice]] = defaultdict(list)
    for one in due:
        by_rule[one.rule_id].append(one)
    count = 0
    for pk, notices in by_rule.items():
        count += _told(rules[pk], notices, at)
    if len(due) < BATCH:  # or a later message may count them
        _tried(lambda: _tell_repeats(repeats, at), "repeats")
    return count


def _told(rule: Rule, notices: Sequence[Notice], at: datetime) -> int:
    """Makes messages of the notices of a rule; one by one if that fails for all together."""
    if not rule.tells:
        _take(notices, at)
        return 0
    tell = _at_once if rule.when == When.NOW else _sum_up
    about = f"{len(notices)} notices of rule {rule.pk}"
    if (count := _tried(lambda: tell(rule, notices, at), about)) is not None:
        return count
    if rule.when == When.NOW and len(notices) > 1:
        return sum(_told(rule, [one], at) for one in notices)
    _take(notices, at)
    return len(notices)


def _tried(work: Callable[[], _T], about: str) -> _T | None:
    """Returns the result of the work, or logs an error, undoes its changes and returns None.

    Raises what only another try can mend: errors of the database itself.
    """
    try:
        with transaction.atomic():
            return work()
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("Notifications: no message can be made of %s.", about)
        return None


def _take(notices: Collection[Notice], at: datetime) -> None:
    Notice.objects.filter(pk__in=[one.pk for one in notices]).update(taken_at=at)


# At once


def _at_once(rule: Rule, notices: Sequence[Notice], at: datetime) -> int:
    ready = _without_quiet(rule, notices, at)
    busy = _with_actions_to_come(ready, at)
    ready = [one for one in ready if one.finding_pk not in busy or rule.trigger != Trigger.FINDING]
    if not ready:
        return 0
    known = Known.of(ready)
    post = Post(at)
    destinations = list(rule.destinations.present().order_by("pk"))
    told_as: dict[str, list[int]] = defaultdict(list)
    for alike in _grouped(rule, ready):
        told, repeats, held = _without_repeats(rule, alike)
        for key_before, pks in held.items():
            told_as[key_before] += pks
        if not told:
            continue
        keys = sorted({one.key for one in told})
        key = keys[0] if len(keys) == 1 else digest(*keys)
        told_as[key] += [one.pk for one in told] + told_as.pop("", [])
        Hold.objects.filter(rule=rule, key__in=keys).update(told_as=key)
        said = messages.of_group(rule, told, known, repeats=repeats)
        post.add(said, destinations, rule=rule, key=key, window=told[0].at)
    post.send()
    for key, pks in told_as.items():
        Notice.objects.filter(pk__in=pks).update(told_as=key)
    _take(ready, at)
    return len(ready)


def _without_quiet(rule: Rule, notices: Sequence[Notice], at: datetime) -> list[Notice]:
    """Returns the notices that quiet hours do not hold, and puts off the others until their end."""
    end = rule.quiet_until(at)
    if end is None:
        return list(notices)
    passing = [one for one in notices if _passes(one)]
    later = [one.pk for one in notices if not _passes(one)]
    Notice.objects.filter(pk__in=later).update(ready_at=end)
    return passing


def _passes(notice: Notice) -> bool:
    return notice.severity == "CRITICAL" or notice.trigger == Trigger.BREAKER


def _with_actions_to_come(notices: Iterable[Notice], at: datetime) -> set[int]:
    """Returns the findings that are new and whose actions are not tried yet."""
    new = {one.finding_pk for one in notices if one.at > at - FOR_ACTIONS and one.finding_pk}
    to_come = Reaction.objects.filter(finding__in=new, state=ActionState.PENDING, started_at=None)
    pks = to_come.exclude(kind=ReactionKind.NOTIFY).values_list("finding_id", flat=True)
    return {pk for pk in pks if pk}


def _grouped(rule: Rule, notices: Sequence[Notice]) -> list[list[Notice]]:
    """Returns the notices of each message: those of one type and account."""
    if rule.each or rule.trigger in OF_THE_PORTAL:
        return [[one] for one in notices]
    groups: dict[tuple[str, str], list[Notice]] = defaultdict(list)
    for one in notices:
        groups[one.what, one.account_id].append(one)
    return list(groups.values())


def _without_repeats(
    rule: Rule, notices: Sequence[Notice]
) -> tuple[list[Notice], int, dict[str, list[int]]]:
    """Returns the notices to tell, how many repeats the message counts, and those that are held.

    The latter by the key of the message that they repeat; "" for this one.
    """
    held: dict[str, list[int]] = defaultdict(list)
    if rule.each or rule.trigger != Trigger.FINDING:
        return list(notices), 0, held
    keys = {one.key for one in notices}
    holds = {one.key: one for one in Hold.objects.filter(rule=rule, key__in=keys)}
    told, repeats = [], 0
    told_now = set()
    for one in notices:
        hold = holds.get(one.key)
        if hold and one.at < hold.until:
            if one.key in told_now:
                repeats += 1
            else:
                hold.held += 1
            held["" if one.key in told_now else hold.told_as].append(one.pk)
            continue
        repeats += hold.held if hold else 0
        until = one.at + HOLDS.get(one.severity, HOUR)
        holds[one.key] = Hold(pk=hold.pk if hold else None, rule=rule, key=one.key, until=until)
        told_now.add(one.key)
        told.append(one)
    Hold.objects.bulk_update([one for one in holds.values() if one.pk], ["until", "held"])
    Hold.objects.bulk_create([one for one in holds.values() if not one.pk])
    return told, repeats, held


def _tell_repeats(over: QuerySet[Hold], at: datetime) -> int:
    """Tells how many repeats were held in a time that is over, if no message has counted them."""
    post = Post(at)
    counts: dict[tuple[Rule, str, str, str], int] = defaultdict(int)
    for hold in over.select_related("rule").order_by("pk")[:BATCH]:
        rule = hold.rule
        if rule.tells and (end := rule.quiet_until(at)):
            hold.until = end
        else:
            last = Notice.objects.filter(rule=rule, key=hold.key).order_by("pk").last()
            if last and rule.tells:
                counts[rule, last.what, last.account_id, last.severity] += hold.held
            hold.held = 0
        hold.save(update_fields=["held", "until"])
    for (rule, what, account_id, severity), count in counts.items():
        said = messages.of_repeats(rule, what, account_id, severity, count)
        key = REPEATS + digest(what, account_id, severity)
        destinations = rule.destinations.present().order_by("pk")
        post.add(said, destinations, rule=rule, key=key, window=at)
    post.send()
    return len(post.deliveries)


# Digests


def _sum_up(rule: Rule, notices: Sequence[Notice], at: datetime) -> int:
    end = rule.quiet_until(at)
    mine = Notice.objects.filter(rule=rule, taken_at=None, ready_at__lte=at)
    if end and rule.trigger != Trigger.BREAKER:
        mine.update(ready_at=end)
        return 0
    # First: what is inserted meanwhile is neither counted nor taken.
    taken = mine.update(taken_at=at)
    counts = list(
        Notice.objects.filter(rule=rule, taken_at=at)
        .values("what", "account_id", "severity")
        .annotate(count=Count("pk"))
        .order_by("what")
    )
    post = Post(at)
    destinations = rule.destinations.present().order_by("pk")
    key = f"{DIGEST}{notices[0].pk}"
    post.add(
        messages.of_digest(rule, counts),
        destinations,
        rule=rule,
        key=key,
        window=notices[0].ready_at,
    )
    post.send()
    return taken


def forget(at: datetime) -> None:
    """Deletes what was taken from the outbox long ago, holds that are over, and old messages.

    Messages, with their tries, are kept for as long as findings: RETENTION_DAYS.
    """
    Notice.objects.filter(taken_at__lt=at - KEPT).delete()
    Hold.objects.filter(until__lt=at - KEPT).delete()
    if (begin := retention.shown_begin(at)) is None:
        return
    old = Delivery.objects.filter(created_at__lt=begin, settled_at__lt=begin).order_by("created_at")
    while pks := list(old.values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            bulk.delete(DeliveryAttempt, "delivery_id", pks)
            bulk.delete(Delivery, "id", pks)
