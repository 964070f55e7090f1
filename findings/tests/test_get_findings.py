from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts.api_auth import Caller
from findings import policy
from findings.models import PolicyChange, Target
from findings.policy import Setting
from findings.tests.api import TYPE, assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # answers over HTTP

SETTINGS = {
    "type": Setting(Target("", TYPE, ""), "SAVE"),
    "type high": Setting(Target("", TYPE, "HIGH"), "BLOCK"),
    "service": Setting(Target("EC2", "", ""), "IGNORE"),
    "other service": Setting(Target("S3", "", "HIGH"), "REVOKE"),
    "new type": Setting(Target("", "NewPurpose:NewService/New", "LOW"), "BLOCK"),
    "detector": Setting(Target("", "ThreatReaction:Ransomware/Write", ""), "REVOKE"),
    "detectors": Setting(Target("Ransomware", "", ""), "BLOCK"),
}


@pytest.fixture(autouse=True)
def settings_made(db: None) -> None:
    policy.set_policies(
        SETTINGS.values(),
        by=Caller(name="somebody", client_id="x"),
        source=PolicyChange.Source.API,
        at=datetime(2026, 11, 23, tzinfo=UTC),
    )


def listed(client: Client, query: str = "") -> set[str]:
    answer = client.get(f"/findings{query}")
    assert answer.status_code == 200
    names = {
        (target.service or None, target.finding_type or None, target.severity or None, action): name
        for name, (target, action) in SETTINGS.items()
    }
    return {names[tuple(setting.values())] for setting in answer.json()["policies"]}


def test_a_viewer_reads_the_whole_policy_without_a_license(viewer_client: Client) -> None:
    assert listed(viewer_client) == SETTINGS.keys()


@pytest.mark.every_database  # queries
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("source=threatreaction", {"detector", "detectors"}),
        ("source=guardduty", {"type", "type high", "service", "other service", "new type"}),
        ("service=EC2", {"type", "type high", "service"}),
        ("service=NewService", {"new type"}),
        ("service=Nothing", set()),
        (f"finding_type={TYPE}", {"type", "type high"}),
        ("severity=HIGH", {"type high", "other service"}),
        ("action=BLOCK", {"type high", "new type", "detectors"}),
        ("action=BLOCK&severity=HIGH&service=EC2", {"type high"}),
    ],
)
def test_filters_narrow_the_list(viewer_client: Client, query: str, names: set[str]) -> None:
    assert listed(viewer_client, f"?{query}") == names


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("source=azure", "source"),
        ("severity=high", "severity"),
        ("action=", "action"),
        ("finding_type=x", "finding_type"),
        ("service=" + "x" * 101, "service"),
        ("sevrity=HIGH", "sevrity"),
        ("severity=HIGH&severity=LOW", "severity"),
    ],
)
def test_a_filter_that_is_none_is_refused(
    viewer_client: Client, query: str, parameter: str
) -> None:
    problem = assert_problem(viewer_client.get(f"/findings?{query}"), 422, "invalid_request")
    assert [error["parameter"] for error in problem["errors"]] == [parameter]


@pytest.mark.every_database  # order
def test_the_etag_is_of_the_whole_policy_whatever_was_asked_for(viewer_client: Client) -> None:
    everything, part = viewer_client.get("/findings"), viewer_client.get("/findings?action=SAVE")
    assert everything["ETag"] == part["ETag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_policy_that_is_known_already_is_not_sent_again(viewer_client: Client, form: str) -> None:
    etag = viewer_client.get("/findings")["ETag"]
    answer = viewer_client.get("/findings", headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)


def test_a_policy_that_has_changed_is_sent(viewer_client: Client) -> None:
    answer = viewer_client.get("/findings", headers={"If-None-Match": '"other"'})
    assert (answer.status_code, len(answer.json()["policies"])) == (200, len(SETTINGS))


def test_head_answers_like_get_without_the_body(viewer_client: Client) -> None:
    head = viewer_client.head("/findings")
    assert (head.status_code, head.content) == (200, b"")
    assert head["ETag"] == viewer_client.get("/findings")["ETag"]


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_another_method_is_answered_with_those_that_work(
    operator_client: Client, method: str
) -> None:
    answer = operator_client.generic(method, "/findings")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD, PUT"


def test_reading_takes_a_permission_or_a_scope(
    client: Client, stranger_client: Client, program: Callable[[str], Client]
) -> None:
    assert_problem(client.get("/findings"), 401, "unauthenticated")
    assert_problem(stranger_client.get("/findings"), 403, "permission_denied")
    assert_problem(program("findings:write").get("/findings"), 403, "insufficient_scope")
    assert listed(program("findings:read")) == SETTINGS.keys()
