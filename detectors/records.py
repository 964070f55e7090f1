"""Counts the records of CloudTrail log files. Pure: no Django, no clock.

What others can choose (names, keys, user agents) is cut, and the number of rows is limited.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import structs

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
from detectors.log_files import Broken, Identity, Parameters, Part, Record, Transfer
from detectors.operations import (
    COPIES,
    COUNTED,
    NO_CANARIES,
    PLAIN,
    READS,
    Canaries,
    Operation,
    cut,
)

_REMEMBERED = 10_000
_LONG = 4096  # characters of what is not remembered
_EVENTS_MAX = 2**20  # a file of CloudTrail has no more
_SIZE_MAX = 10**13  # bytes of one record
_NO_PARAMETERS, _NO_TRANSFER = Parameters(), Transfer()


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
    return sums.counted()


@dataclass(slots=True)
class _Sum:
    times: int = 0
    bytes: float = 0
    newest: int = -1
    said: tuple[Any, ...] = ()  # by the newest record: see _facts
    keys: list[str] = field(default_factory=list)
    wanted: int = EXAMPLES  # more keys


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
        self._known: dict[tuple[Any, ...], _Known] = {}
        self._times: dict[str | None, int] = {}  # in seconds
        self._seen = set[int]()  # the hashes of event IDs, which are smaller
        self._sums: dict[tuple[str, str, str, str, int], _Sum] = {}
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
        known_of, second_of = self._known.get, self._times.get
        changes = list[tuple[int, Change]]()
        for number, one in enumerate(part.records):
            name = one.event_name or ""
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
            like = (
                bucket,
                (PLAIN.get(name) if one.error_code is None else None)
                or operations.what(one, name, parameters),
                bytes(one.user_identity),
                one.address,
                one.vpc_endpoint_id,
                one.recipient_account_id,
            )
            known = known_of(like)
            at = second_of(one.event_time) or self._second_of(one.event_time)
            if known and self._oldest <= at <= self._newest:
                self._read += 1
                self._sum(known, at, one, parameters)
            elif change := self._take(one, name, like, at):
                changes.append((number, change))
        if changes:
            said = part.parameters()
            self._changes += [one._replace(parameters=said[n][:65536]) for n, one in changes]
            self._changes.sort(key=lambda one: (-one.at, one.name))
            del self._changes[CHANGES_MAX:]

    def _sum(self, known: _Known, at: int, one: Record, parameters: Parameters) -> None:
        slot = at - at % SLOT
        found = known.sums.get(slot) or self._sum_of(known, slot)
        found.times += 1
        if sizes := one.additional_event_data:
            size = sizes.bytes_transferred_out if known.is_read else sizes.bytes_transferred_in
            if size and size > 0:
                found.bytes += size if size < _SIZE_MAX else _SIZE_MAX
        if at > found.newest:
            found.newest = at
            found.said = (
                known.said,
                one.user_agent and one.user_agent[:256],
                one.aws_region and one.aws_region[:32],
            )
        if found.wanted and parameters.key:
            found.wanted -= 1
            found.keys.append(cut(parameters.key, KEY_MAX_LENGTH))

    def _sum_of(self, known: _Known, slot: int) -> _Sum:
        row = (known.bucket, known.principal, known.source, known.operation, slot)
        if row not in self._sums:
            is_of_stranger = is_stranger(known.principal)
            if self._rows[is_of_stranger] >= SUMS_MAX:
                row = (known.bucket, OTHERS, "", known.operation, slot)
            self._rows[is_of_stranger] += 1
        known.sums[slot] = found = self._sums.setdefault(row, _Sum())
        return found

    def _second_of(self, time: str | None) -> int:
        at = operations.second_of(time)
        _remember(self._times, time, at)
        return at

    def _take(self, one: Record, name: str, like: tuple[Any, ...], at: int) -> Change | None:
        """Counts a record that is like none before. Returns the change of the settings of a bucket,
        if it is one."""
        parameters = one.request_parameters or _NO_PARAMETERS
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
        if not self._oldest <= at <= self._newest:
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
                unsized = structs.replace(one, additional_event_data=None)
                known = _Known(copied, principal, source, read.value, (*said, ""))
                self._sum(known, at, unsized, parameters)
        done = operations.of(one, name, bucket, owner, self._canaries) if is_ours else None
        if not done:
            return None
        known = _Known(bucket, principal, source, done.value, (*said, owner or ""), name in READS)
        self._sum(known, at, one, parameters)
        if done == Operation.CHANGE:
            return Change(bucket, principal, source, at, name, owner or "", "")
        # The owner of a bucket is the same in the whole file. An access point can be of several.
        is_alone = parameters.bucket_name == bucket and name not in COPIES
        if owner is not None and is_alone and bucket not in self._watched:
            _remember(self._known, like, known)
        return None

    def counted(self) -> Counted:
        """Returns what all parts said."""
        return Counted(
            tallies=self._tallies(),
            facts=self._facts(),
            examples=self._examples(),
            changes=self._changes,
            late={bucket: late for bucket, late in self._late.items() if late},
            read=self._read,
            unreadable=self._unreadable,
        )

    def _tallies(self) -> list[Tally]:
        by_slot = defaultdict[Any, list[Any]](list)
        for row, one in self._sums.items():
            by_slot[row[0], row[4], is_stranger(row[1])].append((-one.times, row, one.bytes))
        times, sizes = Counter[Any](), Counter[Any]()
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

    def _examples(self) -> dict[tuple[str, str, str], list[str]]:
        times, keys = Counter[Any](), defaultdict[Any, set[str]](set)
        for (bucket, principal, _, operation, _), one in self._sums.items():
            what = (bucket, principal, operation)
            times[what] += one.times
            if len(keys[what]) < EXAMPLES:
                keys[what].update(one.keys)
        return {what: sorted(keys[what])[:EXAMPLES] for what in _most(times) if keys[what]}


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
