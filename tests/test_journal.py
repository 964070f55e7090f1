"""The journals: a line that was edited, deleted or inserted is named."""

from __future__ import annotations

import io
import logging
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.api_auth import Caller
from conftest import install
from findings import policy
from findings.catalogue import FINDING_TYPES, Severity
from findings.models import PolicyChange, Target
from findings.policy import Setting
from license import journal_heads
from license.models import License, SeenRevocations
from license.tests.keys import make_license
from storage import journal
from storage.triggers import AppendOnly
from tests.tampering import tamper

AT = datetime(2026, 11, 23, 12, 0, 0, 42, tzinfo=UTC)
ACTIONS = ["BLOCK", "IGNORE", "SAVE", ""]
TYPES = sorted(FINDING_TYPES)

pytestmark = pytest.mark.django_db


def put(*settings: Setting, at: datetime = AT) -> None:
    policy.set_policies(
        settings,
        by=Caller(name="Zoë", client_id="c1"),
        source=PolicyChange.Source.API,
        at=at,
    )


def change(number: int) -> None:
    put(Setting(Target("", TYPES[number], "HIGH"), "BLOCK"), at=AT + timedelta(hours=number))


def verify(*options: str) -> tuple[str, int]:
    out, code = io.StringIO(), 0
    try:
        call_command("verifyjournal", *options, stdout=out)
    except SystemExit as ended:
        code = int(str(ended.code))
    return out.getvalue(), code


def ids() -> list[int]:
    return list(PolicyChange.objects.order_by("pk").values_list("pk", flat=True))


def raw(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def test_each_line_has_the_sha256_of_the_one_before_it_as_documented() -> None:
    change(0)
    change(1)
    first, second = PolicyChange.objects.order_by("pk")
    assert first.previous_sha256 == "0" * 64
    assert second.previous_sha256 == first.sha256
    text = (
        '{"line":{"action_after":"BLOCK","changed_at":"2026-11-23T13:00:00.000042+00:00",'
        '"changed_by_name":"Zo\\u00eb","client_id":"c1",'
        f'"finding_type":"{TYPES[1]}","severity":"HIGH","source":"api"}},'
        f'"previous_sha256":"{first.sha256}","table":"findings_policychange"}}'
    )
    assert second.sha256 == sha256(text.encode()).hexdigest()


def test_a_whole_journal_exits_with_0_and_prints_its_head() -> None:
    install(make_license())
    change(0)
    put(*(Setting(Target("", name, one), "SAVE") for name in TYPES for one in Severity))
    text, code = verify()
    assert code == 0
    last = PolicyChange.objects.order_by("pk").last()
    assert last
    lines = PolicyChange.objects.count()
    assert f"findings_policychange: {lines} lines, head {last.sha256}\n" in text
    assert "license_license: 1 lines, head " in text
    assert f"license_seenrevocations: 0 lines, head {'0' * 64}" in text


@pytest.mark.parametrize(
    ("sql", "broken", "what"),
    [
        ("UPDATE findings_policychange SET action_after = 'SAVE' WHERE id = %s", 2, "was edited"),
        ("UPDATE findings_policychange SET changed_by_name = 'x' WHERE id = %s", 2, "was edited"),
        ("UPDATE findings_policychange SET sha256 = '' WHERE id = %s", 2, "was edited"),
        ("DELETE FROM findings_policychange WHERE id = %s", 3, "The line before it was deleted"),
    ],
)
def test_a_line_that_was_changed_is_named_with_its_time(sql: str, broken: int, what: str) -> None:
    for number in range(5):
        change(number)
    pks = ids()
    tamper(sql, [pks[2]])
    text, code = verify()
    assert code == 1
    assert f"findings_policychange: BROKEN at line {pks[broken]} of" in text
    assert f"2026-11-23T{12 + broken}:00:00Z. " in text
    assert what in text


def test_a_line_that_was_inserted_or_rewritten_with_its_hash_is_named() -> None:
    for number in range(3):
        change(number)
    first, second, third = PolicyChange.objects.order_by("pk")
    # Make room between the first and the second, then insert a line that follows the first.
    tamper("UPDATE findings_policychange SET id = id + 100 WHERE id >= %s", [second.pk])
    content = {**journal._content_of(second), "action_after": "IGNORE"}
    own = journal.digest("findings_policychange", first.sha256, content)
    names = [*content, "previous_sha256", "sha256", "id"]
    values = [
        connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
        for value in [*content.values(), first.sha256, own, first.pk + 1]
    ]
    raw(
        f"INSERT INTO findings_policychange ({', '.join(names)})"  # noqa: S608
        f" VALUES ({', '.join(['%s'] * len(names))})",
        *values,
    )
    broken = journal.verify(PolicyChange).broken
    assert broken
    assert broken.pk == first.pk + 1
    assert "was inserted" in broken.what

    tamper("DELETE FROM findings_policychange WHERE id = %s", [second.pk + 100])
    broken = journal.verify(PolicyChange).broken  # as if the second had been rewritten
    assert broken
    assert broken.pk == third.pk + 100
    assert "edited with its SHA-256" in broken.what


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_change_of_a_journal_goes_unnoticed(db: None, data: st.DataObject) -> None:
    target = st.sampled_from(TYPES[:4]).map(lambda name: Target("", name, "LOW"))
    setting = st.builds(Setting, target, st.sampled_from(ACTIONS))
    puts = st.lists(
        st.lists(setting, min_size=1, max_size=4, unique_by=lambda one: one.target), max_size=5
    )
    with transaction.atomic():
        for settings_ in data.draw(puts):
            put(*settings_)
        pks = ids()
        proof = journal.verify(PolicyChange)
        assert proof.broken is None
        assert proof.head == journal.head(PolicyChange)
        assert proof.head.lines == len(pks)
        if len(pks) > 1:
            pk = data.draw(st.sampled_from(pks[:-1]))
            column = data.draw(st.sampled_from(["client_id", "source", "sha256", ""]))
            tamper(
                f"UPDATE findings_policychange SET {column} = 'zz' WHERE id = %s"  # noqa: S608
                if column
                else "DELETE FROM findings_policychange WHERE id = %s",
                [pk],
            )
            broken = journal.verify(PolicyChange).broken
            assert broken
            assert broken.pk == (pk if column else pks[pks.index(pk) + 1])
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_make_one_chain() -> None:
    start = threading.Barrier(3)
    failed: list[Exception] = []

    def run(writer: int) -> None:
        start.wait()
        try:
            for number in range(8):
                change(writer * 10 + number)
                install(make_license())
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[writer]) for writer in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert journal.verify(PolicyChange) == (journal.head(PolicyChange), None)
    assert journal.verify(License) == (journal.head(License), None)
    assert journal.head(PolicyChange).lines == journal.head(License).lines == 24


def test_lines_inserted_at_once_are_chained() -> None:
    lines = [SeenRevocations(seq=number, token=f"{number}", seen_at=AT) for number in range(5)]
    SeenRevocations.objects.bulk_create(lines)
    SeenRevocations.objects.create(seq=9, token="9", seen_at=AT)
    proof = journal.verify(SeenRevocations)
    assert (proof.broken, proof.head.lines) == (None, 6)
    with pytest.raises(ValueError, match="ignore_conflicts"):
        SeenRevocations.objects.bulk_create(lines, ignore_conflicts=True)


def test_a_database_that_was_restored_lacks_a_head_that_was_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    change(0)
    change(1)
    cache.clear()
    caplog.set_level(logging.INFO, logger="license.journal_heads")
    journal_heads.tell(AT)
    journal_heads.tell(AT + timedelta(hours=1))  # once a day
    (line,) = (text for text in caplog.messages if "findings_policychange" in text)
    logged = journal.head(PolicyChange).sha256
    assert line == f"Journal findings_policychange: 2 lines, head {logged}."
    change(2)
    assert verify("--expect", logged)[1] == 0
    tamper("DELETE FROM findings_policychange WHERE id >= %s", [ids()[1]])
    assert verify()[1] == 0  # nothing shows that lines are missing at the end
    text, code = verify("--expect", logged)
    assert code == 1
    assert f"MISSING: head {logged}." in text
    change(3)
    assert verify("--expect", logged)[1] == 1


def _without_hashes(line: int) -> None:
    hashes = "previous_sha256 = '', sha256 = ''"
    tamper(f"UPDATE findings_policychange SET {hashes} WHERE id = %s", [line])  # noqa: S608


def test_lines_of_the_version_before_are_proven_by_the_next_line() -> None:
    change(0)
    for number in (1, 2):
        change(number)
        _without_hashes(ids()[-1])
    assert journal.verify(PolicyChange) == (journal.head(PolicyChange), None)
    change(3)
    assert journal.verify(PolicyChange) == (journal.head(PolicyChange), None)
    tamper("UPDATE findings_policychange SET severity = 'LOW' WHERE id = %s", [ids()[1]])
    broken = journal.verify(PolicyChange).broken
    assert broken
    assert broken.pk == ids()[3]


@pytest.mark.django_db(transaction=True)
def test_the_migration_chains_the_lines_that_exist() -> None:
    for number in range(3):
        change(number)
        _without_hashes(ids()[-1])
    with connection.schema_editor() as editor:
        journal.chain_existing(PolicyChange, editor)
        AppendOnly("findings_policychange").create(editor)
    assert all(PolicyChange.objects.values_list("sha256", flat=True))
    assert journal.verify(PolicyChange).broken is None
    change(3)
    assert journal.verify(PolicyChange).broken is None


@pytest.mark.parametrize("options", [["--expect", "nonsense"], ["--unknown"]])
def test_bad_usage_is_no_answer(options: list[str]) -> None:
    from license.management.commands.verifyjournal import Command

    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "verifyjournal", *options])
    assert ended.value.code == 3
