"""Journals: append-only tables in which each line holds the SHA-256 of the line before it.

So nobody can edit, delete or insert a line without rewriting all lines after it, and a head that
was written down before then no longer occurs. `digest` describes what is hashed.

A line without hashes was written by a version without this column, which may still run during an
upgrade. Its hash is computed when it is read, so that the next line proves it, too.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, TypeVar

from django.apps import apps
from django.db import models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from storage.append_only import AppendOnlyModel, AppendOnlyQuerySet
from storage.locks import advisory_lock
from storage.triggers import AppendOnly

_M = TypeVar("_M", bound=models.Model)

NOTHING = "0" * 64  # what the first line of a journal follows
HASHES = ("previous_sha256", "sha256")
_BATCH = 1000  # lines in memory at once
_LOOK_BACK = 1000  # lines within which inserted ones are recognized


class JournalQuerySet(AppendOnlyQuerySet[_M]):
    """The query set of a JournalModel."""

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> list[_M]:
        """Insert lines in this order. Raises ValueError for `ignore_conflicts`."""
        if kwargs.get("ignore_conflicts") or any(args[1:2]):
            msg = "The lines of a journal cannot be inserted with ignore_conflicts."
            raise ValueError(msg)
        with transaction.atomic():
            objs = list(objs)
            hashes = chain(self.model, map(_content_of, objs))
            for line, both in zip(objs, hashes, strict=True):
                line.previous_sha256, line.sha256 = both
            return super().bulk_create(objs, *args, **kwargs)


class JournalModel(AppendOnlyModel):
    """A line of a journal. Code that inserts lines without `save` must call `chain` itself."""

    previous_sha256 = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    sha256 = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the line as the last one; see AppendOnlyModel."""
        with transaction.atomic():
            if self._state.adding:
                [(self.previous_sha256, self.sha256)] = chain(type(self), [_content_of(self)])
            super().save(*args, **kwargs)


class Head(NamedTuple):
    """The end of a journal: the hash of its last line, which proves all lines before it."""

    table: str
    lines: int
    sha256: str


class Break(NamedTuple):
    """The first line at which a journal is not whole."""

    pk: int
    at: datetime | None
    what: str


class Proof(NamedTuple):
    """The result of reading a whole journal."""

    head: Head
    broken: Break | None


def digest(table: str, previous: str, content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a line, as hexadecimal digits.

    It is computed of a JSON text in ASCII without spaces: an object with the members "line",
    "previous_sha256" and "table". "line" is an object with the values of all columns, except the
    primary key and the hashes, in the order of their names. Empty and NULL columns are left out, so
    that a later version can add columns. Times are in UTC with microseconds and "+00:00".
    """
    return _sha256(table, previous, _members(content))


def _sha256(table: str, previous: str, members: Iterable[str]) -> str:
    # Sorted by name: a quotation mark comes before all that names of columns consist of.
    line = ",".join(sorted(members))
    text = f'{{"line":{{{line}}},"previous_sha256":{_encode(previous)},"table":"{table}"}}'
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _members(content: Mapping[str, Any]) -> list[str]:
    """Return the JSON of the columns that are not empty, each with its name."""
    return [
        f'"{name}":{_encode(_utc(value) if isinstance(value, datetime) else value)}'
        for name, value in content.items()
        if value not in (None, "")
    ]


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _refuse(value: object) -> NoReturn:
    msg = f"A line of a journal contains {type(value).__name__}."
    raise TypeError(msg)


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_refuse).encode


def journals() -> list[type[models.Model]]:
    """Return the models of all journals."""
    return [model for model in apps.get_models() if issubclass(model, JournalModel)]


def chain(
    model: type[models.Model],
    contents: Iterable[Mapping[str, Any]],
    *,
    same: Mapping[str, Any] = MappingProxyType({}),
) -> list[tuple[str, str]]:
    """Return the hashes of new lines: for each, that of the line before it, and its own.

    `same` are the columns that are the same in all lines; `contents` are the others. A request can
    add 936 lines, whose hashes would otherwise take a good part of its time.

    Must be called in the transaction that then inserts the lines in this order: until it ends, no
    other transaction adds lines.
    """
    table = model._meta.db_table
    advisory_lock(f"journal.{table}")
    shared = _members(same)
    previous, hashes = _last(model), []
    for content in contents:
        own = _sha256(table, previous, [*shared, *_members(content)])
        hashes.append((previous, own))
        previous = own
    return hashes


def head(model: type[models.Model]) -> Head:
    """Return the end of the journal without verifying it."""
    lines = model._base_manager.count()
    return Head(model._meta.db_table, lines, _last(model))


def verify(model: type[models.Model], *, among: set[str] | None = None) -> Proof:
    """Read the whole journal as a stream, and return its first break, if any.

    Removes the hashes of the lines from `among`, which holds heads that must occur.
    """
    table = model._meta.db_table
    time = next((f.column for f in model._meta.concrete_fields if _is_time(f)), None)
    before: deque[tuple[int | None, datetime | None, str]]
    before, previous, lines = deque([(None, None, NOTHING)], maxlen=_LOOK_BACK), NOTHING, 0
    rows = _lines(model)
    while True:
        try:
            if (row := next(rows, None)) is None:
                return Proof(Head(table, lines, previous), None)
            pk, said, own, content = row
            computed = digest(table, said if own else previous, content)
        except (ValueError, TypeError, AttributeError):  # SQLite stores any type in any column
            pk = _after(model, before[-1][0]).values_list("pk", flat=True)[0]
            unreadable = "This line was edited: it has a value that cannot be read."
            return Proof(Head(table, lines, previous), Break(pk, None, unreadable))
        at = content[time] if time else None
        broken = None
        if (own and computed != own) or (said and not own):
            broken = Break(pk, at, "This line was edited: its SHA-256 is another.")
        elif own and said != previous:
            broken = _gap(Break(pk, at, ""), said, before)
        if broken:
            return Proof(Head(table, lines, previous), broken)
        lines += 1
        previous = computed
        before.append((pk, at, previous))
        if among:
            among.discard(previous)


def chain_existing(model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Compute the hashes of the lines that exist. For migrations, which pass a historical model.

    Drops the triggers of the table: the migration must add them again afterwards.
    """
    table = model._meta.db_table
    AppendOnly(table).drop(schema_editor)
    name = schema_editor.quote_name(table)
    # One parameter for all rows: the migration keeps everyone from the table.
    rows_of = {
        "sqlite": "SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(%s)",
        "postgresql": "SELECT (value ->> 0)::bigint, value ->> 1, value ->> 2"
        " FROM json_array_elements(%s::json)",
    }[schema_editor.connection.vendor]
    update = (
        f"WITH hashed (id, before, own) AS ({rows_of}) UPDATE {name}"  # noqa: S608  (trusted names)
        f" SET previous_sha256 = before, sha256 = own FROM hashed WHERE hashed.id = {name}.id"
    )
    previous, last = NOTHING, None
    while True:
        rows = []
        for pk, _, _, content in _lines(model, after=last, limit=_BATCH):
            own = digest(table, previous, content)
            rows.append((pk, previous, own))
            previous, last = own, pk
        if not rows:
            return
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(update, [json.dumps(rows)])


def _is_time(field: models.Field[Any, Any]) -> bool:
    return isinstance(field, models.DateTimeField) and "untrusted" not in field.name


def _columns(model: type[models.Model]) -> list[str]:
    return [
        field.attname
        for field in model._meta.concrete_fields
        if not field.primary_key and field.attname not in HASHES
    ]


def _content_of(line: models.Model) -> dict[str, Any]:
    return {name: getattr(line, name) for name in _columns(type(line))}


def _lines(
    model: type[models.Model], *, after: int | None = None, limit: int | None = None
) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """Yield the primary key, both hashes and the content of each line after this one."""
    columns = _columns(model)
    rows = _after(model, after).values_list("pk", *HASHES, *columns)
    for pk, previous, own, *values in rows[:limit].iterator(chunk_size=_BATCH):
        yield pk, previous, own, dict(zip(columns, values, strict=True))


def _after(model: type[models.Model], pk: int | None) -> models.QuerySet[Any]:
    """Return the lines after this one; all, also with a forged negative primary key, if None."""
    lines = model._base_manager.order_by("pk")
    return lines if pk is None else lines.filter(pk__gt=pk)


def _last(model: type[models.Model]) -> str:
    """Return the hash of the last line."""
    hashes = model._base_manager.order_by("-pk").values_list("pk", "sha256")
    last = hashes.first()
    if last is None or last[1]:
        return last[1] if last else NOTHING
    pk, previous = hashes.exclude(sha256="").first() or (None, NOTHING)
    for _, _, _, content in _lines(model, after=pk):
        previous = digest(model._meta.db_table, previous, content)
    return previous


def _gap(
    line: Break, said: str, before: Iterable[tuple[int | None, datetime | None, str]]
) -> Break:
    """Return what is wrong with a line that does not follow the one before it."""
    known = list(before)
    hashes = [sha256 for _, _, sha256 in known]
    if said in hashes:
        pk, at, _ = known[hashes.index(said) + 1]
        assert pk is not None  # noqa: S101  (only what the first line follows has none)
        return Break(pk, at, f"This line was inserted: line {line.pk} follows the one before it.")
    return line._replace(what="The line before it was deleted, or was edited with its SHA-256.")
