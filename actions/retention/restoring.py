"""Brings findings back from the archive.

They come back as they were, with their triage, as copies: the archive keeps them. No action is
decided on them, whatever the policy says now, and the actions of then stay in the archive. An
action that came back without the later ones on its target would be in force again.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import boto3
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, models, transaction

from actions.models import ArchiveCopy
from actions.retention import archiving, content, parquet, places
from actions.retention.content import Content
from actions.retention.places import ArchiveError, Place
from findings import sums, titles
from findings.ingest import IngestResult
from findings.models import Entity, Finding, TriageEntry
from findings.sums import Change, Counted
from storage import bulk

KEPT_FOR = timedelta(days=30)  # after which retention deletes the copies
BATCH = 500  # findings in one transaction
_BAD_VALUE = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)

Refuse = Callable[[str, str], None]  # a file, and why
_Identity = tuple[str, str, str]


def is_archive(name: str) -> bool:
    """Returns whether findings of this name are read from an archive, and not from JSON."""
    return name.startswith("s3://") or name.endswith(".parquet") or places.is_folder(name)


def restore(name: str, *, now: datetime, session: boto3.Session, refuse: Refuse) -> IngestResult:
    """Brings back the findings in a file or a folder, or in those of a bucket ("s3://...").

    Those that are stored stay as they are. Calls `refuse` for each file that cannot be read, and
    stores nothing of the batch with the bad row and of those after it; a file of the archive is one
    batch. Raises ArchiveError if the folder or bucket cannot be read.
    """
    total = IngestResult()
    archive = places.configured(session).name
    folder, slash, last = name.rpartition("/")
    if last.endswith(".parquet"):
        place: Place = places.named(folder + slash or ".", session)
        paths: Iterable[str] = [last]
    else:
        place = places.named(name, session)
        paths = place.paths()
    for path in paths:
        whole = f"{place.name}/{path}"
        try:
            contents = archiving.read(place, path)
            while part := list(itertools.islice(contents, BATCH)):
                total += _restore(part, _origin(whole, place, path, archive), now)
        except (ArchiveError, parquet.NotOfTheArchive) as error:
            refuse(whole, str(error))
        except (ValidationError, DatabaseError, *_BAD_VALUE):
            refuse(whole, "It has a row that is none of a finding.")
    return total


def _origin(whole: str, place: Place, path: str, archive: str) -> tuple[str, str]:
    """Returns the place and the path of a file, in the archive if it is one of it."""
    if whole.startswith(f"{archive}/"):
        return archive, whole.removeprefix(f"{archive}/")
    return place.name, path


@transaction.atomic
def _restore(contents: Sequence[Content], origin: tuple[str, str], now: datetime) -> IngestResult:
    known = set(_stored(one.finding["finding_id"] for one in contents))
    users = _users(contents)
    new: dict[_Identity, tuple[Finding, Content]] = {}
    for one in contents:
        json.loads(one.raw)  # pages rely on it
        finding = _row(Finding, one.finding, users, raw=one.raw)
        identity = (finding.account_id, finding.region, finding.finding_id)
        if identity not in known:
            new.setdefault(identity, (finding, one))
    bulk.insert(Finding, _FINDING, (_values(new[key][0], _FINDING) for key in sorted(new)))
    stored = _stored(finding_id for *_, finding_id in new)
    pks = {identity: stored[identity] for identity in new}
    titles.remember(
        (row.finding_type, titles.words_of(row.title, {name for _, name, _ in one.names}))
        for row, one in new.values()
        if not row.problem
    )
    bulk.insert(
        TriageEntry,
        _TRIAGE,
        (
            _values(_row(TriageEntry, entry, users, finding_id=pks[identity]), _TRIAGE)
            for identity, (_, one) in new.items()
            for entry in one.triage
        ),
    )
    sums.change(
        [
            Change(pks[identity], None, Counted(*_values(row, Counted._fields)), _named(one))
            for identity, (row, one) in new.items()
        ]
    )
    place, path = origin
    ArchiveCopy.objects.bulk_create(
        ArchiveCopy(
            finding_id=pk,
            place=place,
            path=path,
            digest=content.digest([one]),
            at=now,
            until=now + KEPT_FOR,
        )
        for pk, one in content.of([*pks.values()]).items()
    )
    return IngestResult(
        stored=len(new),
        unchanged=len(contents) - len(new),
        unparsed=sum(bool(row.problem) for row, _ in new.values()),
    )


_FINDING, _TRIAGE = (
    [field.attname for field in model._meta.concrete_fields if not field.primary_key]
    for model in (Finding, TriageEntry)
)
_KIND: Any = Entity._meta.get_field("kind")
_NAME: Any = Entity._meta.get_field("name")


def _stored(finding_ids: Iterable[str]) -> dict[_Identity, int]:
    rows = Finding.objects.filter(finding_id__in=bulk.among({*finding_ids}))
    return {
        (account_id, region, finding_id): pk
        for pk, account_id, region, finding_id in rows.values_list(
            "pk", "account_id", "region", "finding_id"
        )
    }


def _users(contents: Iterable[Content]) -> Mapping[str, int]:
    """Returns the users that the contents name and that exist, by name."""
    names = {one.finding["assignee"] for one in contents}
    names |= {entry["by"] for one in contents for entry in one.triage}
    return dict(User.objects.filter(username__in=names).values_list("username", "pk"))


def _row(
    model: type[models.Model], columns: Mapping[str, Any], users: Mapping[str, int], **more: Any
) -> Any:
    """Returns an unsaved row. Raises an error if the columns are none of such a row."""
    values: dict[str, Any] = dict(more)
    for field in model._meta.concrete_fields:
        if field.primary_key or field.attname in values:
            continue
        if field.related_model is User:
            values[field.attname] = users.get(columns[field.name])
        elif field.attname in columns:  # else a later version added it
            value = columns[field.attname]
            if isinstance(field, models.DateTimeField):
                value = _instant(value)
            values[field.attname] = field.clean(value, None) if value not in ("", None) else value
    return model(**values)


def _instant(text: str | None) -> datetime | None:
    found = datetime.fromisoformat(text) if text else None
    if found and found.tzinfo is None:
        raise ValueError
    return found


def _values(row: models.Model, names: Iterable[str]) -> list[Any]:
    return [getattr(row, name) for name in names]


def _named(one: Content) -> dict[tuple[str, str], bool]:
    """Returns the entities, each once, and whether they acted."""
    named: dict[tuple[str, str], bool] = {}
    for kind, name, is_actor in one.names:
        _KIND.run_validators(kind)  # SQLite would store a name of any length
        _NAME.run_validators(name)
        named[kind, name] = named.get((kind, name), False) or is_actor
    return named
