"""Sums of the findings, so that pages cost the same however many findings there are.

`change` keeps them in the transaction that stores the findings. `recount` counts from nothing. A
sum is wrong only if other code writes findings, as the version before does during an upgrade; the
worker recounts every day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models import Count, Exists, F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from findings import true_sums
from findings.models import AccountSum, Entity, EntitySum, Finding, Mention, PeriodSum
from findings.true_sums import ENTITY, PERIOD
from storage import bulk
from storage.locks import advisory_lock

_LOCK = "sums of findings"

Name = tuple[str, str]  # the kind and the name of an entity
Counts = Counter[tuple[Any, ...]]  # how many findings more or fewer, by the key of a sum


class Counted(NamedTuple):
    """The columns of a finding on which the sums depend."""

    account_id: str
    finding_type: str
    severity: str
    action: str
    seen_at: datetime

    @property
    def day(self) -> date:
        """The day (UTC) when it was last seen."""
        return self.seen_at.astimezone(UTC).date()


class Change(NamedTuple):
    """A finding that was just stored or updated."""

    pk: int
    before: Counted | None  # None if it is new
    after: Counted
    named: Mapping[Name, bool]  # the entities, and whether they acted


def change(changes: Sequence[Change]) -> None:
    """Stores which entities the findings name, and adds the changes to all sums.

    Must be called at the end of the transaction that changed the findings and holds their locks.
    """
    advisory_lock(_LOCK, shared=True)  # nobody recounts meanwhile; others can change sums
    _change_entities(changes)
    signed = [(one.after, 1) for one in changes]
    signed += [(one.before, -1) for one in changes if one.before]
    kinds, periods, accounts = Counts(), Counts(), Counts()
    for (account_id, *kind, seen_at), sign in signed:
        kinds[seen_at, *kind] += sign
        accounts[account_id,] += sign
    for (seen_at, *kind), count in kinds.items():
        for period in _periods(seen_at):
            periods[*period, *kind] += count
    _add(PeriodSum, PERIOD, periods)
    _add(AccountSum, ("account_id",), accounts)


def _periods(seen_at: datetime) -> tuple[tuple[bool, datetime], ...]:
    """Returns the hour and the day, as in the key of a PeriodSum."""
    hour = seen_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return (False, hour), (True, hour.replace(hour=0))


def _add(model: type[models.Model], key: Sequence[str], counts: Counts) -> None:
    rows = ((*values, count) for values, count in sorted(counts.items()) if count)
    bulk.insert(model, [*key, "findings"], rows, unique=key, added=["findings"])


def _change_entities(changes: Sequence[Change]) -> None:
    updated = [one.pk for one in changes if one.before]
    ids: dict[Name, int] = {}
    known: dict[int, dict[Name, bool]] = defaultdict(dict)  # what stored findings named before
    if updated:
        rows = Mention.objects.filter(finding__in=updated).order_by("is_actor")
        for pk, is_actor, kind, text, entity_id in rows.values_list(
            "finding_id", "is_actor", "entity__kind", "entity__name", "entity_id"
        ):
            ids[kind, text] = entity_id
            known[pk][kind, text] = is_actor
    further: list[tuple[Name, Counted]] = []
    acted: Counter[Name] = Counter()
    seen: dict[Name, datetime] = {}
    for one in changes:
        before = known.get(one.pk, {})
        moved = before if one.before and one.before.seen_at != one.after.seen_at else {}
        for name in (*one.named, *moved):
            seen[name] = max(one.after.seen_at, seen.get(name, one.after.seen_at))
        for name, is_actor in one.named.items():
            if name not in before:
                further.append((name, one.after))
            if is_actor and not before.get(name):
                acted[name] += 1
    ids |= _add_to_entities(further, acted, seen)
    bulk.insert(
        Mention,
        ["finding_id", "entity_id", "is_actor", "seen_at"],
        sorted(
            (one.pk, ids[name], is_actor, one.after.seen_at)
            for one in changes
            for name, is_actor in one.named.items()
        ),
        ignore_conflicts=True,
    )
    if updated:
        seen_at = Finding.objects.filter(pk=OuterRef("finding_id")).values("seen_at")
        Mention.objects.filter(finding__in=updated).update(seen_at=Subquery(seen_at))
    earlier = [one for one in changes if one.before and one.after.seen_at < one.before.seen_at]
    if earlier:
        # These entities are locked, so all of their mentions are visible now.
        pks = {ids[name] for one in earlier for name in known[one.pk]}
        Entity.objects.filter(pk__in=pks).update(last_seen_at=_newest_mention())
    counts = Counts((ids[name], after.day, after.finding_type) for name, after in further)
    for one in changes:
        if one.before and one.before.day != one.after.day:
            for name in known[one.pk]:
                counts[ids[name], one.before.day, one.before.finding_type] -= 1
                counts[ids[name], one.after.day, one.after.finding_type] += 1
    _add(EntitySum, ENTITY, counts)


def _newest_mention() -> Subquery:
    """Returns when the newest finding that names an entity was seen."""
    mentions = Mention.objects.filter(entity=OuterRef("pk"), seen_at__isnull=False)
    return Subquery(mentions.order_by("-seen_at").values("seen_at")[:1])


def _add_to_entities(
    further: Sequence[tuple[Name, Counted]], acted: Counter[Name], seen: Mapping[Name, datetime]
) -> dict[Name, int]:
    """Adds findings to the sums of the entities that they name, and returns their primary keys.

    `acted` are the entities that are now known to have acted in a finding, and `seen` says when
    each was seen. This locks the entities, so that two workers cannot both count the same finding
    type as new.
    """
    found = Counter(name for name, _ in further)
    types: dict[Name, set[str]] = defaultdict(set)
    days: set[date] = set()
    for name, after in further:
        types[name].add(after.finding_type)
        days.add(after.day)
    names = sorted(seen)
    bulk.insert(
        Entity,
        ["kind", "name", "findings", "acted", "types", "last_seen_at"],
        ((*name, found[name], acted[name], len(types[name]), seen[name]) for name in names),
        unique=["kind", "name"],
        added=["findings", "acted"],
        latest=["last_seen_at"],
    )
    rows = Entity.objects.filter(name__in=bulk.among({name for _, name in names}))
    ids: dict[Name, int] = {}
    missing: dict[int, int] = {}  # finding types that the sum of an entity lacks
    older: dict[int, set[str]] = {}  # the finding types of entities that were counted before
    for pk, kind, text, findings, counted in rows.values_list(
        "pk", "kind", "name", "findings", "types"
    ):
        name = (kind, text)
        ids[name] = pk
        if name in found and findings == found[name]:
            missing[pk] = len(types[name]) - counted
        elif name in found:
            older[pk] = types[name]
    missing |= {pk: len(new) for pk, new in _new_types(older, days).items()}
    for count in {*missing.values()} - {0}:
        pks = [pk for pk, lacking in missing.items() if lacking == count]
        Entity.objects.filter(pk__in=pks).update(types=F("types") + count)
    return ids


def _new_types(types: Mapping[int, set[str]], days: set[date]) -> dict[int, set[str]]:
    """Returns those of these finding types with which no counted finding names the entity."""
    left = dict(types)
    # An entity has few sums of these days, but as many as it has days. So ask for these first.
    for when in ({"day__in": days}, {}):
        sums = (
            EntitySum.objects.filter(entity__in=left, **when) if left else EntitySum.objects.none()
        )
        kinds = {finding_type for several in left.values() for finding_type in several}
        stored = sums.filter(finding_type__in=kinds).values_list("entity_id", "finding_type")
        for pk, finding_type in stored.distinct():
            left[pk] = left[pk] - {finding_type}
        left = {pk: several for pk, several in left.items() if several}
    return left


class Forgotten(NamedTuple):
    """What findings had in the sums that are about to be deleted."""

    found: Mapping[int, Counted]
    named: Mapping[tuple[str, str, int], Mapping[int, bool]]  # by kind, name and key of an entity


def mentioned(pks: Sequence[int]) -> Forgotten:
    """Returns what these findings have in the sums, and deletes their mentions."""
    found = {
        pk: Counted(*counted)
        for pk, *counted in Finding.objects.filter(pk__in=pks).values_list("pk", *Counted._fields)
    }
    named: dict[tuple[str, str, int], dict[int, bool]] = defaultdict(dict)
    rows = Mention.objects.filter(finding__in=pks).order_by("is_actor")
    for pk, is_actor, kind, name, entity_id in rows.values_list(
        "finding_id", "is_actor", "entity__kind", "entity__name", "entity_id"
    ):
        named[kind, name, entity_id][pk] = is_actor
    bulk.delete(Mention, "finding_id", pks)
    return Forgotten(found, named)


def forget(forgotten: Forgotten) -> None:
    """Takes deleted findings out of all sums, and deletes the entities that no other one names.

    Must be called at the end of the transaction that deletes the findings: as `change`, it locks
    rows that other workers need, and in the same order, so that the two do not deadlock.
    """
    found, named = forgotten
    of_entities, periods, accounts = Counts(), Counts(), Counts()
    for (_, _, entity_id), said in named.items():
        for pk in said:
            of_entities[entity_id, found[pk].day, found[pk].finding_type] -= 1
    for account_id, *columns, seen_at in found.values():
        for period in _periods(seen_at):
            periods[*period, *columns] -= 1
        accounts[account_id,] -= 1
    ids = [entity_id for *_, entity_id in named]
    advisory_lock(_LOCK, shared=True)
    with connection.cursor() as cursor:
        # A sum that is too small, which the next recount repairs, must not hold up the rest.
        cursor.executemany(
            "UPDATE findings_entity SET"
            " findings = CASE WHEN findings > %s THEN findings - %s ELSE 0 END,"
            " acted = CASE WHEN acted > %s THEN acted - %s ELSE 0 END WHERE id = %s",
            [
                (len(said), len(said), acted, acted, entity_id)
                for (_, _, entity_id), said in sorted(named.items())
                for acted in (sum(said.values()),)
            ],
        )
    _add(EntitySum, ENTITY, of_entities)
    days = {day for _, day, _ in of_entities}
    EntitySum.objects.filter(entity__in=ids, day__in=days, findings=0).delete()
    kinds = EntitySum.objects.filter(entity=OuterRef("pk"), findings__gt=0).order_by()
    count = kinds.values("entity").annotate(n=Count("finding_type", distinct=True)).values("n")
    Entity.objects.filter(pk__in=ids).update(
        types=Coalesce(Subquery(count), 0), last_seen_at=_newest_mention()
    )
    mentions = Mention.objects.filter(entity=OuterRef("pk"))
    unnamed = Entity.objects.filter(~Exists(mentions), pk__in=ids, findings=0)
    bulk.delete(EntitySum, "entity_id", gone := list(unnamed.values_list("pk", flat=True)))
    bulk.delete(Entity, "id", gone)
    _add(PeriodSum, PERIOD, periods)
    hours = {begin for _, begin, *_ in periods}
    PeriodSum.objects.filter(begin__in=hours, findings=0).delete()
    _add(AccountSum, ("account_id",), accounts)


def recount(*, repair: bool = True) -> dict[str, int]:
    """Counts from nothing, and returns how many sums of each kind were wrong.

    Repairs the kinds of which some are wrong, and no finding is stored meanwhile. Blocks nothing if
    all are right.
    """
    wrong = true_sums.wrong()
    if repair and any(wrong.values()):
        with transaction.atomic(), connection.cursor() as cursor:
            advisory_lock(_LOCK)
            for statement in true_sums.repairs(wrong):
                cursor.execute(statement)
    return wrong
