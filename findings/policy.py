"""Resolves the threat policy for a finding, and changes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.db import connection, transaction

from findings import catalogue
from findings.models import Action, PolicyChange, Target, ThreatPolicy
from problems import etags
from storage import journal
from storage.locks import advisory_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Policy = Mapping[Target, str]  # from ThreatPolicy.objects.actions()


class Author(Protocol):
    """The author of a policy change: a user, or a program."""

    @property
    def name(self) -> str:
        """The user name or the name of the program."""

    @property
    def user(self) -> User | None:
        """The user; None for a program."""

    @property
    def client_id(self) -> str:
        """The client ID of a program; "" for a user."""


class Setting(NamedTuple):
    """A setting to apply."""

    target: Target
    action: str  # "" removes the setting, so that a less specific one applies


class Change(NamedTuple):
    """A setting that changed."""

    target: Target
    before: str  # "" if it was not set
    after: str  # "" if it was removed


class Rule(NamedTuple):
    """A target whose setting can apply to a finding."""

    target: Target
    action: str  # "" if it is not set


class Resolution(NamedTuple):
    """The action that applies to a target, and where it is set."""

    action: str
    set_at: Target | None  # None if the default, REPORT, applies


@dataclass(frozen=True, slots=True)
class PolicyChanges:
    """The result of `set_policies`."""

    changed: list[Change]
    unchanged: int  # number of settings that already had this action
    not_in_catalogue: list[str]  # finding types that are unknown but were set
    etag: str  # of the new policy


class StalePolicy(etags.Stale):
    """The policy has changed since the caller read it. Nothing was changed."""

    code = "stale_policy"
    said = "The policy has changed since you read it."


class UnconditionalReplacement(Exception):
    """A replacement of the whole policy does not say which version it replaces."""


def resolve(
    policy: Policy, *, service: str = "", finding_type: str = "", severity: str = ""
) -> Resolution:
    """Returns the action for a finding type or a service: the most specific setting, else REPORT.

    The order is type and severity, type, service and severity, service. Without `severity`, ignores
    the settings for a single severity.
    """
    for target in _candidates(service, finding_type, severity):
        if target in policy:
            return Resolution(policy[target], target)
    return Resolution(Action.REPORT, None)


def rules(
    policy: Policy, *, service: str = "", finding_type: str = "", severity: str = ""
) -> list[Rule]:
    """Returns what `resolve` looks at, in order. The first that is set applies."""
    candidates = dict.fromkeys(_candidates(service, finding_type, severity))
    return [Rule(target, policy.get(target, "")) for target in candidates]


def _candidates(service: str, finding_type: str, severity: str) -> list[Target]:
    candidates: list[Target] = []
    if finding_type:
        service = catalogue.service_of(finding_type)
        candidates = [Target("", finding_type, severity), Target("", finding_type, "")]
    return [*candidates, Target(service, "", severity), Target(service, "", "")]


def name_of(target: Target) -> str:
    """Returns the target as text: "EC2, HIGH"."""
    return ", ".join(filter(None, target))


def etag(policy: Policy) -> str:
    """Returns a strong entity tag of the whole policy."""
    return etags.etag(sorted((*target, action) for target, action in policy.items()))


def whole(policy: Policy, settings: Iterable[Setting]) -> list[Setting]:
    """Returns these settings, and the removal of all others in the policy."""
    settings = list(settings)
    listed = {target for target, _ in settings}
    return settings + [Setting(target, "") for target in sorted(policy) if target not in listed]


def with_settings(saved: Policy, settings: Iterable[Setting]) -> Policy:
    """Returns a copy of the policy with these settings applied."""
    after = dict(saved)
    for target, action in settings:
        if action:
            after[target] = action
        else:
            after.pop(target, None)
    return after


def changes(policy: Policy, settings: Iterable[Setting]) -> list[Change]:
    """Returns what these settings change in the policy."""
    return [
        Change(target, policy.get(target, ""), action)
        for target, action in settings
        if policy.get(target, "") != action
    ]


def not_in_catalogue(settings: Iterable[Setting]) -> list[str]:
    """Returns the finding types of these settings that the catalog does not have, sorted."""
    named = {setting.target.finding_type for setting in settings if setting.action} - {""}
    return sorted(named - catalogue.FINDING_TYPES.keys())


def set_policies(
    settings: Iterable[Setting],
    *,
    replace: bool = False,
    by: Author,
    source: PolicyChange.Source,
    at: datetime,
    if_match: Iterable[str] | None = None,
) -> PolicyChanges:
    """Applies all settings in one transaction, logs the changes, and returns them.

    Runs a constant number of queries. The settings must be valid, with each target at most once.
    `replace` removes all settings that are not listed.
    `if_match` holds entity tags or "*"; raises StalePolicy if none of them matches the policy.
    """
    settings = list(settings)
    with transaction.atomic():
        advisory_lock("findings.policy")
        policy = ThreatPolicy.objects.actions()
        if if_match is not None:
            etags.insist(if_match, etag(policy), StalePolicy)
        if replace:
            settings = whole(policy, settings)
        changed = changes(policy, settings)
        _write(changed)
        _log(changed, by=by, source=source, at=at)
    return PolicyChanges(
        changed=changed,
        unchanged=len(settings) - len(changed),
        not_in_catalogue=not_in_catalogue(settings),
        etag=etag(with_settings(policy, settings)),
    )


# Hand-written SQL, because the ORM needs a query per 999 parameters on SQLite and an instance per
# row. Here all rows are one parameter, a JSON array of arrays. Only the function that replaces ROWS
# differs between the databases.

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
        service, finding_type, severity, action_before, action_after, previous_sha256, sha256
    )
    SELECT %s, %s, %s, %s, %s, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
        value ->> 5, value ->> 6
    FROM ROWS
"""
_OF_EACH = ("service", "finding_type", "severity", "action_before", "action_after")
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
    if not changed:
        return
    same = {
        "changed_at": at,
        "changed_by_id": by.user.pk if by.user else None,
        "changed_by_name": by.name,
        "client_id": by.client_id,
        "source": source.value,
    }
    rows = [(*target, before, after) for target, before, after in changed]
    lines = (dict(zip(_OF_EACH, row, strict=True)) for row in rows)
    hashes = journal.chain(PolicyChange, lines, same=same)
    _execute(
        _LOG,
        *(same | {"changed_at": connection.ops.adapt_datetimefield_value(at)}).values(),
        rows=[(*row, *both) for row, both in zip(rows, hashes, strict=True)],
    )
