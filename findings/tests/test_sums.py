"""The sums of the findings are what a count from nothing finds."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from findings import counts, sums
from findings.ingest import ingest
from findings.models import AccountSum, Entity, EntitySum, Finding, Mention, PeriodSum, Target
from findings.tests.findings import finding
from storage import bulk
from tests.at_once import at_once

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RIGHT = {
    "period sums": 0,
    "account sums": 0,
    "entity sums": 0,
    "entities": 0,
    "mentions": 0,
}


def arrive(*batch: Any, action: str = "REPORT") -> None:
    ingest(batch, settings={Target("EC2", "", ""): action}, at=NOW)


@st.composite
def findings(draw: st.DrawFn) -> dict[str, Any]:
    """A finding of few, so that most arrive again: updated, moved in time, naming others."""
    number = draw(st.integers(0, 5))
    hours = draw(st.sampled_from([0, 1, 13, 24, 900]))
    service: dict[str, Any] = {
        "count": draw(st.integers(1, 4)),
        "eventLastSeen": (NOW - timedelta(hours=hours, minutes=number)).isoformat(),
        "archived": draw(st.booleans()),
    }
    if draw(st.booleans()):
        service["resourceRole"] = "ACTOR"
    made = finding(
        draw(st.integers(0, 3)),  # the address
        id=f"finding {number}",
        accountId=f"11111111111{number % 2}",
        type=draw(st.sampled_from(["Recon:EC2/Portscan", "Backdoor:EC2/Spambot", ""])),
        severity=draw(st.sampled_from([2, 5, 8, None])),
        service=service,
    )
    if draw(st.booleans()):
        made["resource"] = {"instanceDetails": {"instanceId": draw(st.sampled_from("ij"))}}
    return made


def test_they_are_exact_after_any_arrivals(db: None) -> None:
    arrive_and_recount()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    batches=st.lists(
        st.tuples(
            st.lists(findings(), min_size=1, max_size=4),
            st.sampled_from(["REPORT", "BLOCK", "IGNORE"]),
        ),
        min_size=1,
        max_size=5,
    )
)
def arrive_and_recount(batches: list[tuple[list[dict[str, Any]], str]]) -> None:
    with transaction.atomic():
        for batch, action in batches:
            arrive(*batch, action=action)
            assert sums.recount(repair=False) == RIGHT
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_they_are_exact_with_two_writers_at_once() -> None:
    """Both name the same new and known entities, and move each other's findings."""
    arrive(*(finding(number) for number in range(0, 40, 2)))
    for count, last_seen in ((1, "2026-11-22T11:00:00Z"), (2, "2026-11-20T11:00:00Z")):
        service = {"count": count + 1, "eventLastSeen": last_seen}
        batch = [finding(number, service=service) for number in range(40)]
        others = [
            finding(number, id=f"other {count} {number}", type="Recon:EC2/Portscan", severity=5)
            for number in range(40)
        ]
        at_once(partial(arrive, *batch, *others), partial(arrive, *reversed([*batch, *others])))
    assert Finding.objects.count() == 120
    assert Entity.objects.get(name="i-0123456789abcdef0").findings == 120
    assert sums.recount(repair=False) == RIGHT


def test_kinds_are_counted_from_any_instant_on(db: None) -> None:
    minutes = (0, 1, 59, 60, 61, 719, 720, 721, 779, 780, 1439, 1440, 1441, 2880)
    for number, ago in enumerate(minutes):
        seen = {"eventLastSeen": (NOW - timedelta(minutes=ago)).isoformat()}
        arrive(finding(number, severity=number % 3 * 3 + 1, service=seen))
    for ago in (*minutes, 30, 750, 1470, 4000):
        begin = NOW - timedelta(minutes=ago)
        stored = Finding.objects.filter(seen_at__gte=begin)
        kinds = Counter(stored.values_list("finding_type", "severity"))
        assert counts.by_kind(begin) == kinds


def test_a_recount_repairs_what_other_code_wrote(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(finding(1), finding(2), finding(3, type="Recon:EC2/Portscan"))
    call_command("recount")
    assert capsys.readouterr().out == "All sums are right.\n"
    # As if the version before had stored the findings, and something had added to the sums.
    PeriodSum.objects.all().delete()
    EntitySum.objects.update(findings=7)
    AccountSum.objects.create(account_id="999999999999", findings=1)
    Entity.objects.update(findings=0, acted=0, types=0)
    Mention.objects.update(seen_at=None)
    with pytest.raises(CommandError, match="4 period sums, 1 account sums, 5 entity sums"):
        call_command("recount", check=True)
    call_command("recount")
    assert "were wrong, and are repaired" in capsys.readouterr().out
    assert sums.recount(repair=False) == RIGHT
    assert Entity.objects.get(name="i-0123456789abcdef0").types == 2


def test_an_arrival_counts_right_beside_uncounted_ones(db: None) -> None:
    """The version before stored a finding during an upgrade. An update must not fail."""
    arrive(finding(1))
    PeriodSum.objects.all().delete()
    EntitySum.objects.all().delete()
    Entity.objects.update(findings=0, acted=0, types=0)
    arrive(finding(1, service={"count": 2, "eventLastSeen": "2026-11-22T11:00:00Z"}), finding(2))
    sums.recount()
    assert sums.recount() == RIGHT


def test_a_failure_after_the_findings_leaves_neither_findings_nor_sums(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process were killed before it commits."""
    arrive(finding(1))
    insert = bulk.insert

    def fail_at_the_last(model: Any, *arguments: Any, **options: Any) -> None:
        insert(model, *arguments, **options)
        if model is AccountSum:
            raise KeyboardInterrupt

    monkeypatch.setattr(bulk, "insert", fail_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        arrive(finding(1, service={"count": 2}), finding(2))
    assert Finding.objects.count() == 1
    assert sums.recount(repair=False) == RIGHT


def test_the_migration_counts_what_exists(db: None) -> None:
    arrive(*(finding(number, type=f"Recon:EC2/{number % 2}") for number in range(5)))
    for model in (PeriodSum, AccountSum, EntitySum):
        model.objects.all().delete()
    Entity.objects.update(findings=0, acted=0, types=0)
    Mention.objects.update(seen_at=None)
    migration = import_module("findings.migrations.0015_count_what_exists")
    for _ in range(2):  # it can be killed and repeated
        migration.count(apps, SimpleNamespace(connection=connection))
    assert sums.recount(repair=False) == RIGHT


def test_the_top_entities_are_those_that_a_full_count_finds(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if those with the most findings ever have few in the period."""
    monkeypatch.setattr(counts, "_CANDIDATES", 2)
    begin = datetime(2026, 11, 22, tzinfo=UTC)
    for number, (address, ago) in enumerate(
        [(1, 90)] * 9 + [(2, 90)] * 8 + [(3, 80)] * 7 + [(1, 1)] + [(4, 2)] * 5 + [(5, 13)] * 4
        + [(5, 25)] * 2 + [(6, 36)] * 6 + [(7, 3)] * 2
    ):  # fmt: skip
        service = {"eventLastSeen": (begin + timedelta(hours=48 - ago)).isoformat()}
        arrive(finding(address, id=f"{number}", service=service))
    end = begin + timedelta(days=1)
    found = counts.top_entities(begin.date(), end.date(), 3)
    named = Mention.objects.filter(seen_at__gte=begin, seen_at__lt=end)
    full = Counter(named.values_list("entity__kind", "entity__name"))
    assert [(*name, count) for name, count in full.most_common(3)] == found
    assert len({count for *_, count in found}) == 3
