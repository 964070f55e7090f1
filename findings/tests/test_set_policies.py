from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.api_auth import Caller
from findings import policy
from findings.catalogue import FINDING_TYPES, Severity
from findings.models import Action, PolicyChange, Target, ThreatPolicy
from findings.policy import Setting
from storage.append_only import AppendOnlyError

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PROGRAM = Caller(name="pipeline", client_id="pipeline-1")
TARGET = Target("", "UnauthorizedAccess:EC2/SSHBruteForce", "HIGH")

pytestmark = pytest.mark.django_db


def put(*settings: Setting, if_match: list[str] | None = None) -> policy.PolicyChanges:
    return policy.set_policies(
        settings, by=PROGRAM, source=PolicyChange.Source.API, at=AT, if_match=if_match
    )


def whole_catalogue(action: str) -> list[Setting]:
    return [Setting(Target("", name, sev), action) for name in FINDING_TYPES for sev in Severity]


def test_what_is_listed_is_set_and_the_rest_is_left() -> None:
    other = Target("EC2", "", "")
    put(Setting(other, "IGNORE"), Setting(TARGET, "REPORT"))
    put(Setting(TARGET, "BLOCK"))
    assert ThreatPolicy.objects.actions() == {TARGET: "BLOCK", other: "IGNORE"}


def test_the_answer_says_what_changed_from_what_to_what() -> None:
    other = Target("EC2", "", "")
    put(Setting(TARGET, "BLOCK"), Setting(other, "IGNORE"))
    answer = put(Setting(TARGET, "SAVE"), Setting(other, "IGNORE"))
    assert answer.changed == [(TARGET, "BLOCK", "SAVE")]
    assert answer.unchanged == 1


def test_the_same_settings_twice_change_nothing_and_log_nothing() -> None:
    first = put(Setting(TARGET, "BLOCK"))
    second = put(Setting(TARGET, "BLOCK"))
    assert (second.changed, second.unchanged, second.etag) == ([], 1, first.etag)
    assert PolicyChange.objects.count() == 1


def test_taking_back_what_is_not_set_is_no_change() -> None:
    answer = put(Setting(TARGET, ""))
    assert (answer.changed, answer.unchanged) == ([], 1)


def test_every_change_leaves_a_line_that_says_who_when_from_what_to_what() -> None:
    put(Setting(TARGET, "BLOCK"))
    put(Setting(TARGET, ""))
    taken_back, made = PolicyChange.objects.newest_first()
    assert (made.action_before, made.action_after) == ("", "BLOCK")
    assert (taken_back.action_before, taken_back.action_after) == ("BLOCK", "")
    assert (made.finding_type, made.severity, made.service) == (*TARGET[1:], "")
    assert (made.changed_by_name, made.client_id, made.changed_by) == (
        "pipeline",
        "pipeline-1",
        None,
    )
    assert (made.changed_at, made.source) == (AT, "api")


def test_a_type_outside_the_catalogue_is_set_and_said() -> None:
    answer = put(Setting(Target("", "NewPurpose:EC2/NewFamily", ""), "BLOCK"))
    assert answer.not_in_catalogue == ["NewPurpose:EC2/NewFamily"]
    assert len(answer.changed) == 1


def test_the_etag_is_of_the_content_and_of_nothing_else() -> None:
    empty = policy.etag({})
    block = put(Setting(TARGET, "BLOCK")).etag
    save = put(Setting(TARGET, "SAVE")).etag
    assert len({empty, block, save}) == 3
    assert put(Setting(TARGET, "BLOCK")).etag == block
    assert policy.etag(ThreatPolicy.objects.actions()) == block
    assert put(Setting(TARGET, "")).etag == empty


def test_a_stale_policy_is_not_written_over() -> None:
    stale = put(Setting(TARGET, "BLOCK")).etag
    put(Setting(TARGET, "SAVE"))
    with pytest.raises(policy.StalePolicy):
        put(Setting(TARGET, "IGNORE"), if_match=[stale])
    assert ThreatPolicy.objects.actions() == {TARGET: "SAVE"}


@pytest.mark.one_database  # the number of queries
@pytest.mark.parametrize(
    ("before", "after"), [("", "BLOCK"), ("BLOCK", "SAVE"), ("BLOCK", ""), ("BLOCK", "BLOCK")]
)
def test_one_setting_and_the_whole_catalogue_take_as_many_queries(before: str, after: str) -> None:
    counts = []
    for settings in (whole_catalogue, lambda action: [Setting(TARGET, action)]):
        ThreatPolicy.objects.all().delete()
        put(*settings(before))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            put(*settings(after))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8


def test_the_whole_catalogue_is_set_and_logged_and_taken_back() -> None:
    assert len(put(*whole_catalogue("BLOCK")).changed) == 936
    assert ThreatPolicy.objects.filter(action=Action.BLOCK).count() == 936
    put(*whole_catalogue(""))
    assert not ThreatPolicy.objects.exists()
    assert PolicyChange.objects.count() == 2 * 936


def test_a_change_that_the_database_refuses_leaves_neither_setting_nor_line() -> None:
    with pytest.raises(IntegrityError):
        put(Setting(TARGET, "BLOCK"), Setting(Target("EC2", "", ""), "EXPLODE"))
    assert not ThreatPolicy.objects.exists()
    assert not PolicyChange.objects.exists()


@pytest.mark.parametrize(
    "row",
    [
        {"service": "EC2", "finding_type": TARGET.finding_type},
        {},
        {"service": "EC2", "severity": "SEVERE"},
    ],
)
def test_the_database_holds_no_setting_that_makes_no_sense(row: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ThreatPolicy.objects.create(action="BLOCK", **row)


def test_the_log_of_changes_cannot_be_edited() -> None:
    put(Setting(TARGET, "BLOCK"))
    line = PolicyChange.objects.get()
    line.changed_by_name = "somebody else"
    for edit in (
        line.save,
        line.delete,
        PolicyChange.objects.all().delete,
        lambda: PolicyChange.objects.update(action_after="IGNORE"),
        lambda: PolicyChange.objects.bulk_update([line], ["changed_by_name"]),
        lambda: PolicyChange.objects.update_or_create(pk=line.pk, defaults={"severity": "LOW"}),
    ):
        with pytest.raises(AppendOnlyError), transaction.atomic():
            edit()
    assert PolicyChange.objects.get().changed_by_name == "pipeline"
