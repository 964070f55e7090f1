"""Counts the records of CloudTrail log files. Pure: no Django, no clock.

What others can choose (names, keys, user agents) is cut, and the number of rows is limited.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from detectors import log_files, operations
from detectors.bounds import (
    ACCOUNT,
    ACTORS_MAX,
    ANONYMOUS,
    BYTES_MAX,
    CHANGES_MAX,
    EARLY,
    EXAMPLES,
    KEY_MAX_LENGTH,
    LATE,
    OTHERS,
    ROWS_MAX,
    SLOT,
    SOURCE_MAX_LENGTH,
    SUMS_MAX,
)
from detectors.log_files import Broken, Identity, Parameters, Part, Record
from detectors.operations import COPIES, COUNTED, NO_CANARIES, PLAIN, Canaries, Operation, cut

_REMEMBERED = 10_000
_LONG = 4096  # characters of what is not remembered
_EVENTS_MAX = 2**20  # hashes of event IDs that are remembered at a time
_SIZE_MAX = 1e13  # bytes of one record
_NO_PARAMETERS = Parameters()


class Tally(NamedTuple):
    """The sum of one operation of one actor on one bucket in SLOT seconds."""

    bucket: str
    principal: str  # an ARN, "service ...", "account ..." or "anonymous ..."
    source: str  # the address of an anonymous caller, else the network, VPC endpoint or service
    operation: str
    at: int  # seconds since 1970, a multiple of SLOT
    times: int
    bytes: int


def is_stranger(principal: str) -> bool:
    """Whether anybody can make any number of such principals."""
    return principal.startswith((ANONYMOUS, ACCOUNT))


class Facts(NamedTuple):
    """What the newest record says of an actor. Missing values are ""."""

    bucket: str
    principal: str
    source: str
    principal_type: str = ""
    principal_id: str = ""
    name: str = ""  # of the user or role
    account_id: str = ""
    access_key: str = ""
    address: str = ""
    user_agent: str = ""
    region: str = ""
    bucket_account: str = ""
    seen_at: int = 0


class Change(NamedTuple):
    """A change of the settings of a bucket."""

    bucket: str
    principal: str
    source: str
    at: int  # seconds since 1970
    name: str  # of the event
    bucket_account: str
    parameters: str  # JSON


@dataclass(frozen=True, slots=True)
class Counted:
    """What the records say of the registered buckets."""

    tallies: list[Tally]
    facts: list[Facts]
    examples: dict[tuple[str, str, str], list[str]]  # keys, by bucket, principal and operation
    changes: list[Change]
    late: dict[str, int]  # records by bucket that are not counted: a day late, or in the future
    read: int = 0  # records of registered buckets
    unreadable: int = 0


def count_file(
    packed: Callable[[int], bytes],
    buckets: Collection[str],
    *,
    now: int,
    canaries: Canaries = NO_CANARIES,
) -> Counted:
    """Counts the records of a gzipped log file, which `packed` reads as read() of a file does.

    `now` is in seconds since 1970. Raises Broken if it is not a log file.
    """
    try:
        return _count(log_files.read(packed), buckets, now, canaries)
    except RecursionError:  # such a file must not stop the others
        raise Broken("A record is too deep.") from None


def count_records(
    records: Iterable[Mapping[str, Any]],
    buckets: Collection[str],
    *,
    now: int,
    canaries: Canaries = NO_CANARIES,
) -> Counted:
    """Counts single records."""
    return _count([log_files.of(records)], buckets, now, canaries)


def names_any(record: Mapping[str, Any], buckets: Collection[str]) -> bool:
    """Whether a record may be of one of the buckets; cheap, for those that are not."""
    text = str(record.get("requestParameters")) + str(record.get("resources"))
    return any(bucket in text for bucket in buckets)


def _count(
    parts: Iterable[Part], buckets: Collection[str], now: int, canaries: Canaries
) -> Counted:
    sums = _Sums(frozenset(buckets), int(now), canaries)
    for part in parts:
        sums.add(part)
        del part  # before the next one is read: its memory is used again
    return sums.counted()


@dataclass(slots=True)
class _Sum:
    keys: set[str]  # examples; the sums of other slots and sources have the same set
    times: int = 0
    bytes: float = 0.0
    newest: int = -1
    said: tuple[Any, ...] = ()  # by the newest record: see _facts
    wanted: int = EXAMPLES  # more keys to look at

    def tell(self, known: _Known, at: int, one: Record, key: str | None) -> None:
        """Keeps what the newest record says, and some keys."""
        if at > self.newest:
            self.newest = at
            self.said = (
                known.said,
                one.user_agent and one.user_agent[:256],
                one.aws_region and one.aws_region[:32],
            )
        if len(self.keys) >= EXAMPLES:
            self.wanted = 0
        elif self.wanted and key:
            self.wanted -= 1
            self.keys.add(cut(key, KEY_MAX_LENGTH))


@dataclass(slots=True)
class _Known:
    """What is the same of many records."""

    bucket: str
    principal: str
    source: str
    operation: str
    said: tuple[str, ...]  # see _said
    is_read: bool = False
    sums: dict[int, _Sum] = field(default_factory=dict)  # by slot


class _Sums:
    """The sums of one file."""

    def __init__(self, buckets: frozenset[str], now: int, canaries: Canaries) -> None:
        self._buckets = buckets
        self._others: dict[str | None, bool] = {}  # buckets that are not registered
        self._oldest, self._newest = now - LATE, now + EARLY
        self._canaries, self._watched = canaries, canaries.watched
        self._known: dict[int, _Known] = {}  # by the hash of what is the same
        self._moments: dict[str | None, tuple[int, int]] = {}  # the second and its slot
        self._seen = set[int]()  # the hashes of event IDs, which are smaller
        self._sums: dict[tuple[str, str, str, str, int], _Sum] = {}
        self._examples = defaultdict[tuple[str, str, str], set[str]](set)
        self._rows = Counter[bool]()  # of strangers, and of others
        self._changes: list[Change] = []
        self._read = self._unreadable = 0
        self._late = Counter[str]()

    def add(self, part: Part) -> None:
        """Counts some records. This is the hot path: most records are like one before."""
        self._unreadable += part.unreadable
        others, watched, seen = self._others, self._watched, self._seen
        if len(seen) > _EVENTS_MAX:
            seen.clear()
        known_of, moment_of = self._known.get, self._moments.get
        changes = dict[int, Change]()  # by the ID of the record
        read = 0
        for one in part.records:
            name = one.event_name
            if one.event_source != "s3.amazonaws.com" or not (name in COUNTED or watched):
                continue
            parameters = one.request_parameters or _NO_PARAMETERS
            bucket = parameters.bucket_name
            if bucket in others and name not in COPIES:
                continue
            if event_id := one.event_id:
                event = hash(event_id)
                if event in seen:
                    continue
                seen.add(event)
            is_plain = name in PLAIN and one.error_code is None
            like = (
                bucket,
                name if is_plain else operations.what(one, name, parameters),
                b"" + one.user_identity,  # faster than bytes()
                one.address,
                one.vpc_endpoint_id,
                one.recipient_account_id,
            )
            known = known_of(hash(like))
            at, slot = moment_of(one.event_time) or self._moment_of(one.event_time)
            if known and slot:
                read += 1
            else:
                known = self._take(one, hash(like), at, slot, changes)
                if not known:
                    continue
            found = known.sums.get(slot) or self._sum_of(known, slot)
            found.times += 1
            if sizes := one.additional_event_data:
                size = sizes.bytes_transferred_out if known.is_read else sizes.bytes_transferred_in
                if size and size > 0.0:
                    found.bytes += size if size < _SIZE_MAX else _SIZE_MAX
            if found.wanted or at > found.newest:
                found.tell(known, at, one, parameters.key)
        self._read += read
        if changes:
            self._change(changes, part)

    def _sum_of(self, known: _Known, slot: int) -> _Sum:
        row = (known.bucket, known.principal, known.source, known.operation, slot)
        found = self._sums.get(row)
        if not found:
            is_of_stranger = is_stranger(known.principal)
            if self._rows[is_of_stranger] >= SUMS_MAX:
                row = (known.bucket, OTHERS, "", known.operation, slot)
            self._rows[is_of_stranger] += 1
            keys = self._examples[row[0], row[1], row[3]]
            found = self._sums.setdefault(row, _Sum(keys))
        known.sums[slot] = found
        return found

    def _moment_of(self, time: str | None) -> tuple[int, int]:
        """Returns the second, and its slot if records of that time count, else 0."""
        at = operations.second_of(time)
        moment = at, at - at % SLOT if self._oldest <= at <= self._newest else 0
        _remember(self._moments, time, moment)
        return moment

    def _take(
        self, one: Record, like: int, at: int, slot: int, changes: dict[int, Change]
    ) -> _Known | None:
        """Returns what a record is that is like none before, if it counts."""
        name, parameters = one.event_name or "", one.request_parameters or _NO_PARAMETERS
        bucket = parameters.bucket_name or ""
        named, owner = operations.bucket_of(one)
        if bucket not in self._buckets:
            if bucket and bucket == named:  # else it is an access point
                _remember(self._others, bucket, True)
            bucket = named
        if not (name in COUNTED or (bucket in self._watched and parameters.key)):
            return None
        # The trail of the caller's account has it too, with another event ID.
        is_ours = bucket in self._buckets and (
            owner is None or one.recipient_account_id in (owner, None)
        )
        self._read += is_ours
        if not slot:
            if is_ours:
                self._late[bucket] += at > 0
                self._unreadable += at == 0
            return None
        identity = log_files.identity(one.user_identity)
        principal = operations.principal_of(identity, one.address)
        source = operations.source_of(principal, one.address, one.vpc_endpoint_id)
        said = _said(identity, one.address)
        if name in COPIES:
            copied, key = operations.copied_from(one)
            if copied in self._buckets:
                read = operations.of_copied(one, copied, key, self._canaries)
                known = _Known(copied, principal, source, read.value, (*said, ""))
                found = self._sum_of(known, slot)
                found.times += 1
                found.tell(known, at, one, parameters.key)
        done = operations.of(one, name, bucket, owner, self._canaries) if is_ours else None
        if not done:
            return None
        known = _Known(
            bucket, principal, source, done.value, (*said, owner or ""), name in operations.READS
        )
        if done == Operation.CHANGE:
            changes[id(one)] = Change(bucket, principal, source, at, name, owner or "", "")
            return known
        # The owner of a bucket is the same in the whole file. An access point can be of several.
        is_alone = parameters.bucket_name == bucket and name not in COPIES
        if owner is not None and is_alone and bucket not in self._watched:
            _remember(self._known, like, known)
        return known

    def _change(self, changes: dict[int, Change], part: Part) -> None:
        for one, text in zip(part.records, part.parameters(), strict=True):
            if change := changes.get(id(one)):
                self._changes.append(change._replace(parameters=text[:65536]))
        self._changes.sort(key=lambda one: (-one.at, one.name))
        del self._changes[CHANGES_MAX:]

    def counted(self) -> Counted:
        """Returns what all parts said."""
        return Counted(
            tallies=self._tallies(),
            facts=self._facts(),
            examples=self._keys(),
            changes=self._changes,
            late={bucket: late for bucket, late in self._late.items() if late},
            read=self._read,
            unreadable=self._unreadable,
        )

    def _tallies(self) -> list[Tally]:
        by_slot = defaultdict[Any, list[Any]](list)
        for row, one in self._sums.items():
            by_slot[row[0], row[4], is_stranger(row[1])].append((-one.times, row, one.bytes))
        times, sizes = defaultdict[Any, int](int), defaultdict[Any, float](float)
        for some in by_slot.values():
            for rank, (fewer, row, size) in enumerate(sorted(some)):
                kept = row if rank < ROWS_MAX else (row[0], OTHERS, "", *row[3:])
                times[kept] -= fewer
                sizes[kept] += size
        return [
            Tally._make((*row, times[row], int(min(sizes[row], BYTES_MAX))))
            for row in sorted(times)
        ]

    def _facts(self) -> list[Facts]:
        times, newest = Counter[Any](), dict[Any, _Sum]()
        for row, one in self._sums.items():
            actor = row[:3]
            times[actor] += one.times
            if actor not in newest or one.newest > newest[actor].newest:
                newest[actor] = one
        return [_facts(actor, newest[actor]) for actor in _most(times)]

    def _keys(self) -> dict[tuple[str, str, str], list[str]]:
        times = Counter[Any]()
        for (bucket, principal, _, operation, _), one in self._sums.items():
            times[bucket, principal, operation] += one.times
        return {what: sorted(keys) for what in _most(times) if (keys := self._examples[what])}


def _remember(memory: dict[Any, Any], key: Any, value: Any) -> None:
    if len(str(key)) > _LONG:
        return
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value


def _most(times: Counter[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return sorted(times, key=lambda one: (-times[one], *one))[:ACTORS_MAX]


def _said(identity: Identity, address: str | None) -> tuple[str, ...]:
    """Returns what Facts tell of a caller, from the type to the address."""
    return (
        cut(identity.type, 32),
        cut(identity.principal_id, 128),
        cut(operations.issuer_of(identity).user_name or identity.user_name, 128),
        cut(identity.account_id, 16),
        cut(identity.access_key_id, 128),
        cut(address, SOURCE_MAX_LENGTH),
    )


def _facts(actor: tuple[str, str, str], newest: _Sum) -> Facts:
    (*caller, owner), user_agent, region = newest.said
    return Facts._make(
        (*actor, *caller, cut(user_agent, 256), cut(region, 32), owner, newest.newest)
    )
