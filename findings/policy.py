"""What the policy says, and the one way to change it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.db import connection, transaction

from findings import catalogue
from findings.models import Action, PolicyChange, Target, ThreatPolicy
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Policy = Mapping[Target, str]  # what ThreatPolicy.objects.actions() reads


class Author(Protocol):
    """Who changes policy: a person, or a program (then `user` is None and `client_id` names it)."""

    @property
    def name(self) -> str: ...
    @property
    def user(self) -> User | None: ...
    @property
    def client_id(self) -> str: ...


class Setting(NamedTuple):
    target: Target
    action: str  # "" takes the setting back, so that what it overrode applies again


class Change(NamedTuple):
    target: Target
    before: str  # "": not set
    after: str


class Resolution(NamedTuple):
    action: str
    set_at: Target | None  # None: nothing is set, so REPORT applies


@dataclass(frozen=True, slots=True)
class PolicyChanges:
    changed: list[Change]
    unchanged: int
    not_in_catalogue: list[str]
    etag: str


class StalePolicy(Exception):
    """The policy is not what the caller last saw. Nothing was changed."""

    def __init__(self, *, etag: str) -> None:
        super().__init__("The policy has changed since you read it.")
        self.etag = etag


def resolve(
    policy: Policy, *, service: str = "", finding_type: str = "", severity: str = ""
) -> Resolution:
    """What applies to a finding type, or to a service: the most specific setting, else REPORT.

    Without a severity: what applies where nothing is set for one severity alone.
    """
    candidates: list[Target] = []
    if finding_type:
        service = catalogue.service_of(finding_type)
        candidates = [Target("", finding_type, severity), Target("", finding_type, "")]
    candidates += [Target(service, "", severity), Target(service, "", "")]
    for target in candidates:
        if target in policy:
            return Resolution(policy[target], target)
    return Resolution(Action.REPORT, None)


def etag(policy: Policy) -> str:
    """A strong entity tag (RFC 9110, 8.8.3) of the content of the whole policy."""
    content = json.dumps(sorted((*target, action) for target, action in policy.items()))
    return f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'


def set_policies(
    settings: Iterable[Setting],
    *,
    by: Author,
    source: PolicyChange.Source,
    at: datetime,
    if_match: Iterable[str] | None = None,
) -> PolicyChanges:
    """Sets what is listed and leaves the rest; all or nothing, in a constant number of queries.

    The settings have been validated and name no target twice. `if_match` holds entity tags, or "*";
    where none of them is the policy's own, StalePolicy is raised.
    """
    settings = list(settings)
    with transaction.atomic():
        advisory_lock("findings.policy")
        policy = ThreatPolicy.objects.actions()
        if if_match is not None:
            present = etag(policy)
            if not {"*", present}.intersection(if_match):
                raise StalePolicy(etag=present)
        changed = [
            Change(target, policy.get(target, ""), action)
            for target, action in settings
            if policy.get(target, "") != action
        ]
        _write(changed)
        _log(changed, by=by, source=source, at=at)
    for target, _, after in changed:
        if after:
            policy[target] = after
        else:
            del policy[target]
    named = {setting.target.finding_type for setting in settings} - {""}
    return PolicyChanges(
        changed=changed,
        unchanged=len(settings) - len(changed),
        not_in_catalogue=sorted(named - catalogue.FINDING_TYPES.keys()),
        etag=etag(policy),
    )


# Hand-written, because the ORM needs a query for each 999 parameters on SQLite, and an instance for
# each row. Here the rows travel as one parameter, a JSON array of arrays, however many they are.
# Both databases read it alike, but for the name of the function that ROWS stands for.

_SET = """
    INSERT INTO findings_threatpolicy (service, finding_type, severity, action)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM ROWS
    WHERE true -- without it SQLite takes ON CONFLICT for the condition of a join
    ON CONFLICT (service, finding_type, severity) DO UPDATE SET action = excluded.action
"""
_TAKE_BACK = """
    DELETE FROM findings_threatpolicy WHERE (service, finding_type, severity) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM ROWS)
"""
_LOG = """
    INSERT INTO findings_policychange (
        changed_at, changed_by_id, changed_by_name, client_id, source,
        service, finding_type, severity, action_before, action_after
    )
    SELECT %s, %s, %s, %s, %s, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    FROM ROWS
"""
_ROWS = {"sqlite": "json_each(%s)", "postgresql": "json_array_elements(%s::json)"}


def _execute(sql: str, *params: Any, rows: Sequence[tuple[str, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                sql.replace("ROWS", _ROWS[connection.vendor]), [*params, json.dumps(rows)]
            )


def _write(changed: list[Change]) -> None:
    _execute(_SET, rows=[(*target, after) for target, _, after in changed if after])
    _execute(_TAKE_BACK, rows=[target for target, _, after in changed if not after])


def _log(changed: list[Change], *, by: Author, source: PolicyChange.Source, at: datetime) -> None:
    _execute(
        _LOG,
        connection.ops.adapt_datetimefield_value(at),
        by.user.pk if by.user else None,
        by.name,
        by.client_id,
        source.value,
        rows=[(*target, before, after) for target, before, after in changed],
    )
