"""Ingest of findings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.api_auth import Caller
from findings import policy
from findings.ingest import IngestResult, ingest, severity_of
from findings.models import Finding, Mention, PolicyChange, Target, ThreatPolicy
from findings.policy import Setting
from findings.tests.findings import BRUTE_FORCE, finding
from tests.at_once import at_once

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def arrive(*findings: Any) -> IngestResult:
    return ingest(findings, settings=ThreatPolicy.objects.actions(), at=NOW)


def set_action(action: str, target: Target) -> None:
    policy.set_policies(
        [Setting(target, action)],
        by=Caller(name="oscar", client_id="c1"),
        source=PolicyChange.Source.API,
        at=NOW,
    )


def test_a_finding_is_stored_whole(db: None) -> None:
    given = finding(title="Zero \0 and half \ud800 characters", extra={"kept": [1, None]})
    assert arrive(given) == IngestResult(stored=1)
    stored = Finding.objects.get()
    assert json.loads(stored.raw) == given
    assert (stored.finding_type, stored.severity, stored.score) == (BRUTE_FORCE, "HIGH", 8)
    assert (stored.action, stored.set_at) == ("REPORT", "")
    assert stored.seen_at == datetime(2026, 11, 23, 11, tzinfo=UTC)
    named = Mention.objects.values_list("entity__kind", "entity__name", "is_actor")
    assert set(named) == {
        ("address", "198.51.100.1", True),
        ("instance", "i-0123456789abcdef0", False),
    }


@pytest.mark.parametrize(
    ("score", "severity"),
    [(1.0, "LOW"), (3.9, "LOW"), (4.0, "MEDIUM"), (6.9, "MEDIUM"), (7.0, "HIGH"), (8.9, "HIGH"),
     (9.0, "CRITICAL"), (10.0, "CRITICAL"), (None, None)],
)  # fmt: skip
def test_guarddutys_numbers_have_names(score: float | None, severity: str | None) -> None:
    assert severity_of(score) == severity


def test_the_most_specific_setting_decides_and_is_told(db: None) -> None:
    set_action("SAVE", Target("EC2", "", ""))
    set_action("BLOCK", Target("", BRUTE_FORCE, "HIGH"))
    arrive(finding(1), finding(2, severity=5))
    decided = Finding.objects.order_by("finding_id").values_list("action", "set_at")
    assert list(decided) == [("BLOCK", f"{BRUTE_FORCE}, HIGH"), ("SAVE", "EC2")]


def test_what_the_policy_ignores_is_not_stored(db: None) -> None:
    set_action("IGNORE", Target("", BRUTE_FORCE, ""))
    assert arrive(finding(1), finding(2, type="Recon:EC2/Portscan")) == IngestResult(
        stored=1, ignored=1
    )
    assert Finding.objects.get().finding_type == "Recon:EC2/Portscan"


def test_the_same_finding_again_adds_nothing(db: None) -> None:
    assert arrive(finding(), finding()) == IngestResult(stored=1)
    assert arrive(finding()) == IngestResult(unchanged=1)
    assert Mention.objects.count() == 2


def test_an_update_with_a_higher_count_updates_and_an_older_one_does_not(db: None) -> None:
    arrive(finding())
    set_action("BLOCK", Target("", BRUTE_FORCE, ""))
    newer = finding(service={"count": 5, "eventLastSeen": "2026-11-23T11:30:00Z"}, severity=9)
    assert arrive(newer) == IngestResult(updated=1)
    assert arrive(finding(service={"count": 3})) == IngestResult(unchanged=1)
    stored = Finding.objects.get()
    assert (stored.count, stored.severity) == (5, "CRITICAL")
    assert stored.seen_at == datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
    assert stored.action == "REPORT"  # the action from the first arrival


@pytest.mark.parametrize("member", ["accountId", "region", "id"])
def test_account_region_and_id_tell_findings_apart(db: None, member: str) -> None:
    other: dict[str, Any] = {member: "210987654321"}
    arrive(finding(), finding(**other))
    assert Finding.objects.count() == 2


def test_what_is_not_understood_is_kept_whole_and_marked_once(db: None) -> None:
    odd = {"accountId": "123456789012", "severity": "?"}
    for _ in range(2):
        arrive(odd)
    stored = Finding.objects.get()
    assert json.loads(stored.raw) == odd
    assert stored.problem
    assert stored.parsed is None


def test_a_batch_takes_few_queries(
    db: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(60):
        arrive(*(finding(number) for number in range(200)))


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_findings_store_each_once() -> None:
    batch = [finding(number) for number in range(100)]
    at_once(partial(arrive, *batch), partial(arrive, *reversed(batch)))
    assert Finding.objects.count() == 100
    assert Mention.objects.count() == 200
