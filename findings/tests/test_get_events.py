"""GET /findings/events: the list of findings for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from findings.ingest import ingest
from findings.models import Finding, Target
from findings.tests.api import assert_problem
from findings.tests.findings import BRUTE_FORCE, finding
from findings.tests.test_events_page import NOON, arrive, seen

pytestmark = pytest.mark.one_database  # answers over HTTP


def answer(client: Client, query: str = "") -> dict[str, Any]:
    got = client.get(f"/findings/events{query}")
    assert got.status_code == 200, got.content
    document: dict[str, Any] = got.json()
    return document


def titles(client: Client, query: str = "") -> list[str]:
    return [found["title"] for found in answer(client, query)["findings"]]


def test_a_finding_is_told_with_what_was_decided(viewer_client: Client, settings: Settings) -> None:
    settings.PORTAL_URL = "https://portal.example"
    policy = {Target("", BRUTE_FORCE, "HIGH"): "BLOCK"}
    ingest([finding(7)], settings=policy, at=NOON)
    pk = Finding.objects.get().pk
    assert answer(viewer_client) == {
        "findings": [
            {
                "id": pk,
                "account_id": "123456789012",
                "region": "eu-central-1",
                "finding_id": f"{7:032x}",
                "finding_type": BRUTE_FORCE,
                "tactic": "Initial Access",
                "severity": "HIGH",
                "score": 8.0,
                "title": "Somebody tries passwords",
                "description": "An instance is under attack.",
                "count": 1,
                "first_seen_at": "2026-11-23T10:00:00Z",
                "seen_at": "2026-11-23T11:00:00Z",
                "received_at": "2026-11-23T12:00:00Z",
                "action": "BLOCK",
                "set_at": f"{BRUTE_FORCE}, HIGH",
                "problem": "",
                "status": "new",
                "assignee": None,
                "closed_at": None,
                "url": f"https://portal.example/events/{pk}",
            }
        ],
        "next": None,
    }


def test_what_a_finding_does_not_say_is_null_or_empty(viewer_client: Client) -> None:
    arrive({"accountId": 7})
    [told] = answer(viewer_client)["findings"]
    assert told["problem"] == "It has no id and no type."
    for name in ("severity", "score", "first_seen_at"):
        assert told[name] is None
    assert (told["title"], told["set_at"], told["action"]) == ("", "", "REPORT")


@pytest.mark.every_database  # queries
def test_pages_follow_each_other_however_many_arrive_meanwhile(
    viewer_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    minutes = {number: number * 37 % 20 for number in range(60)}  # three per minute
    arrive(*(seen(number, minutes=minutes[number]) for number in range(60)))
    shown: list[str] = []
    answer(viewer_client)  # a session's first request notes when it was
    query = ""
    for size in (25, 25, 10):
        with django_assert_max_num_queries(6):
            page = answer(viewer_client, query)
        assert len(page["findings"]) == size
        shown += [found["title"] for found in page["findings"]]
        arrive(seen(1000 + size, minutes=500))
        query = f"?after={page['next']}"
    assert page["next"] is None
    newest_first = sorted(minutes, key=lambda number: (minutes[number], number), reverse=True)
    assert shown == [f"Number {number}." for number in newest_first]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("severity=LOW", [2]),
        ("type=Recon:EC2/Portscan", [3]),
        ("account=210987654321", [4]),
        ("entity=198.51.100.5", [5]),
        ("action=BLOCK", []),
        ("since=2026-11-23T12:04:00Z", [5, 4]),
        ("since=2026-11-23T13:04:00%2B01:00", [5, 4]),
        ("until=2026-11-23T12:02:00Z", [1]),
        ("severity=HIGH&since=2026-11-23 12:04&account=123456789012", [5]),
    ],
)
def test_the_filters_are_those_of_the_page(
    viewer_client: Client, query: str, expected: list[int]
) -> None:
    arrive(
        seen(1, 1),
        seen(2, 2, severity=2),
        seen(3, 3, type="Recon:EC2/Portscan"),
        seen(4, 4, accountId="210987654321"),
        seen(5, 5),
    )
    assert titles(viewer_client, f"?{query}") == [f"Number {number}." for number in expected]


def test_a_filter_goes_on_to_the_next_page(viewer_client: Client) -> None:
    arrive(*(seen(number, number, severity=2 + 6 * (number % 2)) for number in range(60)))
    first = answer(viewer_client, "?severity=LOW")
    rest = answer(viewer_client, f"?severity=LOW&after={first['next']}")
    assert (len(first["findings"]), len(rest["findings"]), rest["next"]) == (25, 5, None)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("severity=high", "severity"),
        ("severity=", "severity"),
        ("action=EXPLODE", "action"),
        ("since=yesterday", "since"),
        ("since=", "since"),
        ("since=0", "since"),
        ("until=2026-02-30T00:00:00Z", "until"),
        ("since=0001-01-01T00:00:00%2B05:00", "since"),
        ("until=9999-12-31T23:59:59-05:00", "until"),
        ("account=" + "1" * 65, "account"),
        ("type=%20", "type"),
        ("entity=%1c", "entity"),
        ("entity=%00", "entity"),
        ("after=", "after"),
        ("after=x", "after"),
        ("after=1.2.3", "after"),
        ("after=1.2%0a", "after"),
        ("after=" + "9" * 18 + ".1", "after"),
        ("after=%EF%BC%91.1", "after"),  # a digit, but not an ASCII digit
        ("sevrity=HIGH", "sevrity"),
        ("severity=HIGH&severity=LOW", "severity"),
    ],
)
def test_a_value_that_is_none_is_refused(viewer_client: Client, query: str, parameter: str) -> None:
    arrive(finding())
    problem = assert_problem(viewer_client.get(f"/findings/events?{query}"), 422, "invalid_request")
    assert [error["parameter"] for error in problem["errors"]] == [parameter]


@pytest.mark.every_database  # queries
def test_the_last_cursor_that_has_the_form_leads_to_an_end(viewer_client: Client) -> None:
    arrive(finding())
    assert answer(viewer_client, "?after=0.0") == {"findings": [], "next": None}
    far = answer(viewer_client, f"?after={'9' * 17}.{'9' * 18}")
    assert len(far["findings"]) == 1


@pytest.mark.every_database  # dates
def test_an_instant_that_utc_has_no_date_for_is_told_on_the_page_too(viewer_client: Client) -> None:
    page = viewer_client.get("/events?since=0001-01-01T00:00:00%2B05:00")
    assert page.status_code == 200
    assert 'class="errorlist"' in page.content.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.usefixtures("valid_license")
def test_another_method_is_answered_with_those_that_work(
    operator_client: Client, method: str
) -> None:
    refused = operator_client.generic(method, "/findings/events")
    assert_problem(refused, 405, "method_not_allowed")
    assert refused["Allow"] == "GET, HEAD, PATCH"


def test_reading_takes_a_permission_or_a_scope(
    client: Client, stranger_client: Client, program: Callable[[str], Client]
) -> None:
    arrive(finding())
    path = "/findings/events"
    assert_problem(client.get(path), 401, "unauthenticated")
    assert_problem(stranger_client.get(path), 403, "permission_denied")
    assert_problem(program("findings:write").get(path), 403, "insufficient_scope")
    assert len(answer(program("findings:read"))["findings"]) == 1
