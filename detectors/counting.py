"""Adds what was counted to the sums, within limits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, F
from django.db.models.functions import Coalesce, Greatest, Least

from detectors import bounds, records
from detectors.models import Actor, Bucket, KeyUse, Sum
from detectors.operations import Operation
from detectors.records import Counted, Facts, Tally
from storage import bulk

# Of a bucket. Strangers (see records.is_stranger) get at most half of them.
ACTORS_MAX = 2000
SOURCES_MAX = 20  # of one principal; its others are summed as the source ""
KEYS_MAX = 100_000

AT_ONCE = 500  # rows in one statement

Pair = tuple[str, str]  # principal and source


class Added(NamedTuple):
    """What changed in the sums of one bucket."""

    bucket: Bucket
    principals: set[str]  # as stored: some are bounds.OTHERS
    since: int  # the first slot
    until: int  # and the last
    dormant: dict[str, int]  # the seconds for which a long-lived key was not used, by key
    actors: frozenset[int]  # the primary keys of those whose sums changed
    touched: frozenset[int]  # and of those who used a canary key


def add(counted: Counted, buckets: Mapping[str, Bucket], *, single: bool) -> list[Added]:
    """Adds to the sums, in the current transaction. `single`: they are single events."""
    by_bucket: dict[str, list[Tally]] = defaultdict(list)
    for tally in counted.tallies:
        by_bucket[tally.bucket].append(tally)
    facts: dict[str, dict[Pair, Facts]] = defaultdict(dict)
    for fact in counted.facts:
        facts[fact.bucket][fact.principal, fact.source] = fact
    added = []
    for name in sorted(by_bucket):  # always in one order, so that workers do not deadlock
        bucket, tallies = buckets[name], by_bucket[name]
        actors = _actors(bucket, tallies, facts[name])
        _add_sums(tallies, actors, single=single)
        added.append(
            Added(
                bucket,
                {actors[one.principal, one.source].principal for one in tallies},
                min(one.at for one in tallies),
                max(one.at for one in tallies),
                _dormant(facts[name].values()),
                frozenset(one.pk for one in actors.values()),
                frozenset(
                    actors[one.principal, one.source].pk
                    for one in tallies
                    if one.operation == Operation.CANARY
                ),
            )
        )
    return added


def note_events(added: Iterable[Added], late: Mapping[str, int]) -> None:
    """Notes the first and last event of each bucket. Last in the transaction: it locks the rows."""
    spans = {one.bucket.name: (one.since, one.until) for one in added}
    for name in sorted({*spans, *late}):
        rows = Bucket.objects.filter(name=name)
        if late.get(name):
            rows.update(late=F("late") + late[name])
        if name in spans:
            since, until = spans[name]
            rows.update(
                first_event_at=Least(Coalesce("first_event_at", since), since),
                last_event_at=Greatest(Coalesce("last_event_at", until), until),
            )


def _actors(
    bucket: Bucket, tallies: Sequence[Tally], facts: Mapping[Pair, Facts]
) -> dict[Pair, Actor]:
    """Returns the row of each actor. Those that the limits leave without one share another."""
    wanted: dict[Pair, list[int]] = defaultdict(list)
    for one in tallies:
        wanted[one.principal, one.source].append(one.at)
    stored = _stored(bucket, {principal for principal, _ in wanted})
    per_principal = Counter(principal for principal, _ in stored)
    is_full = _Room(bucket)
    shared: dict[Pair, Pair] = {}
    new: dict[Pair, Pair] = {}  # the row, and the actor whose facts it gets
    for pair in sorted(set(wanted) - set(stored)):
        row = pair
        if per_principal[pair[0]] >= SOURCES_MAX:
            row = (pair[0], "")
        if row not in stored and row not in new:
            if row[0] != bounds.OTHERS and not is_full.takes(row[0]):
                row = (bounds.OTHERS, "")
            if row not in stored and row not in new:
                per_principal[row[0]] += 1
                new[row] = pair
        shared[pair] = row
    if (bounds.OTHERS, "") in {*shared.values()} - set(stored):
        stored |= _stored(bucket, {bounds.OTHERS})
        new = {row: pair for row, pair in new.items() if row not in stored}
    empty = Facts(bucket.name, bounds.OTHERS, "")
    bulk.insert(
        Actor,
        ["bucket_id", "principal", "source", *_FACTS, "first_at", "last_at"],
        (
            (
                bucket.pk,
                *row,
                # Nothing is said of many actors together.
                *(
                    getattr(facts.get(pair, empty) if row[0] != bounds.OTHERS else empty, said)
                    for said in _FACTS
                ),
                min(wanted[pair]),
                max(wanted[pair]),
            )
            for row, pair in sorted(new.items())
        ),
        ignore_conflicts=True,
    )
    if new:
        stored |= _stored(bucket, {principal for principal, _ in new})
    found = {pair: stored[shared.get(pair, pair)] for pair in wanted}
    _update(found, wanted, facts)
    return found


# Columns of Actor, and fields of Facts.
_FACTS = (
    "principal_type",
    "principal_id",
    "name",
    "account_id",
    "access_key",
    "address",
    "user_agent",
    "region",
    "bucket_account",
)


def _stored(bucket: Bucket, principals: Iterable[str]) -> dict[Pair, Actor]:
    rows = Actor.objects.filter(bucket=bucket, principal__in=set(principals))
    return {(row.principal, row.source): row for row in rows}


class _Room:
    """The room for more actors of a bucket. Two workers can exceed it a little."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._counts: dict[bool, int] | None = None

    def takes(self, principal: str) -> bool:
        if self._counts is None:
            rows = Actor.objects.filter(bucket=self._bucket).values_list("principal")
            counts = Counter(records.is_stranger(name) for (name,) in rows)
            self._counts = {True: counts[True], False: counts[False]}
        is_stranger = records.is_stranger(principal)
        if self._counts[is_stranger] >= ACTORS_MAX // 2:
            return False
        self._counts[is_stranger] += 1
        return True


def _update(
    actors: Mapping[Pair, Actor], wanted: Mapping[Pair, list[int]], facts: Mapping[Pair, Facts]
) -> None:
    """Notes when each actor was first and last seen, and what the newest record says of it."""
    changed: dict[int, Actor] = {}
    for pair, actor in actors.items():
        first_at, last_at = min(wanted[pair]), max(wanted[pair])
        if first_at < actor.first_at:
            actor.first_at = first_at
            changed[actor.pk] = actor
        if last_at > actor.last_at:
            actor.last_at = last_at
            if (fact := facts.get(pair)) and actor.principal != bounds.OTHERS:
                for column in _FACTS:
                    # Some records, such as those of copies, do not name the bucket's account.
                    if column != "bucket_account" or fact.bucket_account:
                        setattr(actor, column, getattr(fact, column))
            changed[actor.pk] = actor
    rows = [changed[pk] for pk in sorted(changed)]
    Actor.objects.bulk_update(rows, [*_FACTS, "first_at", "last_at"], batch_size=200)


_SUMMED = ("count", "bytes", "single_count", "single_bytes")
_PEAKS = ("peak_1", "peak_5")


def _add_sums(tallies: Iterable[Tally], actors: Mapping[Pair, Actor], *, single: bool) -> None:
    sums: dict[tuple[int, int, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in tallies:
        row = sums[actors[one.principal, one.source].pk, one.at, one.operation]
        row[0] += one.times
        row[1] += one.bytes
    nothing = (0, 0)
    upsert(
        (
            pk,
            bounds.SLOT,
            at,
            operation,
            *(nothing if single else said),
            *(said if single else nothing),
            0,
            0,
        )
        for (pk, at, operation), said in sorted(sums.items())
    )


def upsert(rows: Iterable[tuple[int, int, int, str, int, int, int, int, int, int]]) -> None:
    """Adds to the sums; a peak becomes the higher one.

    A row is actor, grain, at, operation, count, bytes, both of single events, and both peaks. No
    two rows are of the same sum.
    """
    name = connection.ops.quote_name
    table = name(Sum._meta.db_table)
    columns = ("actor_id", "grain", "at", "operation", *_SUMMED, *_PEAKS)
    updates = [f"{name(one)} = {table}.{name(one)} + excluded.{name(one)}" for one in _SUMMED]
    updates += [
        f"{name(one)} = CASE WHEN excluded.{name(one)} > {table}.{name(one)}"
        f" THEN excluded.{name(one)} ELSE {table}.{name(one)} END"
        for one in _PEAKS
    ]
    one = f"({', '.join(['%s'] * len(columns))})"
    with connection.cursor() as cursor:
        every = list(rows)
        for first in range(0, len(every), AT_ONCE):
            some = every[first : first + AT_ONCE]
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(map(name, columns))})"  # noqa: S608  (trusted)
                f" VALUES {', '.join([one] * len(some))}"
                " ON CONFLICT (actor_id, grain, at, operation) DO UPDATE SET " + ", ".join(updates),
                [value for row in some for value in row],
            )


def _dormant(facts: Iterable[Facts]) -> dict[str, int]:
    """Notes the use of long-lived keys, and returns for how long those were not used before."""
    used: dict[str, int] = {}
    for fact in facts:
        # Of the bucket's own account: strangers can have any number of keys.
        if fact.access_key.startswith("AKIA") and fact.account_id == fact.bucket_account:
            used[fact.access_key] = max(used.get(fact.access_key, 0), fact.seen_at)
    if not used:
        return {}
    known = {one.access_key: one for one in KeyUse.objects.filter(pk__in=used)}
    rested = {key: used[key] - row.last_at for key, row in known.items() if used[key] > row.last_at}
    for key in sorted(rested):
        KeyUse.objects.filter(pk=key, last_at__lt=used[key]).update(last_at=used[key])
    new = sorted(set(used) - set(known))
    if new and KeyUse.objects.aggregate(n=Count("pk"))["n"] < KEYS_MAX:
        bulk.insert(
            KeyUse,
            ["access_key", "last_at"],
            ((key, used[key]) for key in new),
            ignore_conflicts=True,
        )
    return rested
