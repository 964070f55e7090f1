"""Fills the tables with findings, entities and actions, in SQL."""
# ruff: noqa: S608  (all of the SQL is ours)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from actions.models import Reaction
from findings import titles, true_sums
from findings.catalogue import FINDING_TYPES
from findings.guardduty.parser import Kind
from findings.models import Entity, Finding, Mention

FEWEST = 20_000  # findings that a database of the benchmark has at least
_FEW = 100_000  # rows, up to which it is not worth while to build the indexes anew
OLD_ACCOUNT = "999999999999"  # of 30 findings that are older than all others
OLD_TYPE = "Impact:EC2/AbusedDomainRequest.Reputation"
_TYPES = sorted(FINDING_TYPES)[:25]

_NUMBERS = {
    "sqlite": "(WITH RECURSIVE n(value) AS (SELECT {0} UNION ALL SELECT value + 1 FROM n"
    " WHERE value < {1}) SELECT value FROM n)",
    "postgresql": "generate_series({0}::bigint, {1}::bigint) AS n(value)",
}
# Any number of consecutive values is spread evenly over 60 days.
_MINUTES = "(value * 7919 % 86400)"
_MINUTES_AGO = {
    "sqlite": f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || {_MINUTES} || ' minutes')",
    "postgresql": f"date_trunc('milliseconds', now() - make_interval(mins => {_MINUTES}::int))",
}
_A_DAY_AGO = {"sqlite": "datetime('now', '-1 day')", "postgresql": "now() - interval '1 day'"}
FINDINGS = (
    "INSERT INTO findings_finding (account_id, region, finding_id, finding_type, tactic, severity,"
    " score, title, description, count, first_seen_at, seen_at, received_at, action, set_at,"
    " problem, raw) "
)
_NUMBER = "CAST(substr(finding_id, 8) AS INTEGER)"


def fill_up_to(count: int) -> None:
    """Adds findings from the last 60 days until the table has `count`, and their actions.

    Each names an address, which three others name, and one of 25 instances, of which each has one
    type. Half of the findings have the same type and account. Every second was notified about, and
    every twentieth blocked its address for a day; of these, one in 50 failed. Adds 30 findings that
    are older than all others, of OLD_TYPE in OLD_ACCOUNT, each with an action.
    """
    stored = Finding.objects.count()
    with _faster(count - stored), connection.cursor() as cursor:
        at = _MINUTES_AGO[connection.vendor]
        types = " ".join(f"WHEN {n} THEN '{name}'" for n, name in enumerate(_TYPES))
        cursor.execute(
            f"{FINDINGS} SELECT CASE value % 2 WHEN 0 THEN '123456789012'"
            " ELSE CAST(111111111111 + value / 2 % 100 AS VARCHAR(12)) END, 'eu-central-1',"
            f" 'filled ' || value, CASE value % 2 WHEN 0 THEN 'Recon:EC2/Portscan' ELSE"
            f" CASE value / 2 % {len(_TYPES)} {types} END END, 'Reconnaissance',"
            " CASE value % 50 WHEN 1 THEN 'HIGH' WHEN 3 THEN 'LOW' ELSE 'MEDIUM' END, 5,"
            f" 'A scan', 'Somebody scans ports.', 1, {at}, {at}, {at}, 'REPORT', '', '', '{{}}'"
            f" FROM {_numbers(stored + 1, count)} ORDER BY {_MINUTES} DESC"  # as they arrive
        )
        # The oldest of all, which no search of the newest finds.
        cursor.execute(
            f"{FINDINGS} SELECT '{OLD_ACCOUNT}', 'eu-central-1', 'old {count} ' || value,"
            f" '{OLD_TYPE}', 'Impact', 'MEDIUM', 5,"
            " 'An abused site', '', 1, '2020-01-01 00:00:00', '2020-01-01 00:00:00',"
            " '2020-01-01 00:00:00', 'REPORT', '', '', '{}'"
            f" FROM {_numbers(1, 30)}"
        )
        cursor.execute("ANALYZE")
        new = f"findings_finding WHERE finding_id LIKE 'filled %' AND {_NUMBER} > {stored}"
        address = "'filled ' || (number / 4)"
        mention(Kind.ADDRESS, address, new, is_actor=True)
        mention(Kind.INSTANCE, "'i-filled-' || ((number % 50) * (number % 2))", new, is_actor=False)
        old = f"findings_finding WHERE finding_id LIKE 'old {count} %'"
        _act("NOTIFY", old, "true", number="0")  # before those of all others
        _act("NOTIFY", new, "number % 2 = 0")
        done = "CASE number % 1000 WHEN 0 THEN 'failed' ELSE 'done' END"
        a_day_ago = _A_DAY_AGO[connection.vendor]
        for reaction, which in (
            ("BLOCK", "number % 20 = 0"),
            ("UNBLOCK", f"number % 20 = 0 AND seen_at < {a_day_ago}"),
        ):
            _act(reaction, new, which, target_kind="address", target=address, state=done)
    _count_from_nothing()
    titles.remember(
        [
            *((finding_type, "A scan") for finding_type in ("Recon:EC2/Portscan", *_TYPES)),
            (OLD_TYPE, "An abused site"),
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def mention(kind: Kind, name: str, new: str, *, is_actor: bool) -> None:
    """Lets each of the findings `new` name an entity; `name` is an expression of their number."""
    named = f"(SELECT id, seen_at, {_NUMBER} AS number FROM {new}) f"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO findings_entity (kind, name)"
            f" SELECT DISTINCT '{kind.value}', {name} FROM {named} WHERE true"
            " ON CONFLICT DO NOTHING"
        )
        cursor.execute("ANALYZE findings_entity")
        cursor.execute(
            "INSERT INTO findings_mention (finding_id, entity_id, is_actor, seen_at)"
            f" SELECT f.id, e.id, {str(is_actor).lower()}, f.seen_at FROM"
            f" (SELECT id, seen_at, {name} AS name FROM {named}) f"
            " JOIN findings_entity e ON e.name = f.name"
            f" WHERE e.kind = '{kind.value}' ORDER BY f.id"
        )


def _act(
    kind: str,
    new: str,
    which: str,
    *,
    target_kind: str = "finding",
    target: str = "''",
    state: str = "'done'",
    number: str = _NUMBER,
) -> None:
    """Adds an action on those of the findings `new` for which the condition `which` holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO actions_reaction (finding_id, finding_type, finding_account_id, kind,"
            " target_kind, target, why, outcome, state, decided_at, started_at, settled_at,"
            f" requested_by_name) SELECT id, finding_type, account_id, '{kind}', '{target_kind}',"
            f" {target}, 'The policy.', 'Done.', {state}, seen_at, seen_at, seen_at, ''"
            f" FROM (SELECT id, finding_type, account_id, seen_at, {number} AS number FROM {new}) f"
            f" WHERE {which} ORDER BY seen_at, id"
        )


def _numbers(first: int, last: int) -> str:
    return _NUMBERS[connection.vendor].format(first, last)


def _count_from_nothing() -> None:
    # Without a look at what is wrong first, as in sums.recount: that is as long again.
    wrong = {true_sums.kind(model): 1 for model in true_sums.EXPECTED if model is not Mention}
    wrong[true_sums.kind(Mention)] = 0
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL work_mem = '256MB'")
        for statement in true_sums.repairs(wrong):
            cursor.execute(statement)


@contextmanager
def _faster(rows: int) -> Iterator[None]:
    """Drops the indexes that enforce nothing, and builds them anew afterward, on PostgreSQL."""
    if connection.vendor != "postgresql" or rows < _FEW:
        yield
        return
    tables = [model._meta.db_table for model in (Finding, Mention, Entity, Reaction)]
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute("SET work_mem = '256MB'")
        cursor.execute(
            "SELECT i.relname, pg_get_indexdef(i.oid) FROM pg_index x"
            " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid"
            " WHERE t.relname = ANY(%s) AND NOT x.indisunique",
            [tables],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
    yield
    with connection.cursor() as cursor:
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute("RESET work_mem")
