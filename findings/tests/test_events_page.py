"""The Events pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from findings.ingest import ingest
from findings.models import Finding
from findings.tests.findings import finding

pytestmark = pytest.mark.one_database  # pages

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def arrive(*findings: dict[str, Any]) -> None:
    ingest(findings, settings={}, at=NOON)


def seen(number: int, minutes: int, **members: Any) -> dict[str, Any]:
    last = {"eventLastSeen": (NOON + timedelta(minutes=minutes)).isoformat()}
    return finding(number, service=last, title=f"Number {number}.", **members)


def numbers(client: Client, query: str = "") -> list[int]:
    answer = client.get(f"/events{query}")
    assert answer.status_code == 200
    return [int(number) for number in re.findall(r"Number (\d+)\.", answer.content.decode())]


@pytest.mark.every_database  # order
def test_events_come_newest_first_a_page_at_a_time(
    viewer_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    minutes = {number: number * 37 % 20 for number in range(60)}  # three per minute
    arrive(*(seen(number, minutes=minutes[number]) for number in range(60)))
    shown: list[int] = []
    query = ""
    numbers(viewer_client)  # a session's first request notes when it was
    for size in (25, 25, 10):
        with django_assert_max_num_queries(9):
            page = viewer_client.get(f"/events{query}").content.decode()
        found = [int(number) for number in re.findall(r"Number (\d+)\.", page)]
        assert len(found) == size
        shown += found
        arrive(seen(1000 + size, minutes=500))  # another arrives between pages
        older = re.search(r'rel="next" href="([^"]+)"', page)
        query = older[1].replace("&amp;", "&") if older else ""
    assert shown == sorted(minutes, key=lambda number: (minutes[number], number), reverse=True)


FILTERS: dict[str, list[int]] = {
    "severity=LOW": [2],
    "type=Recon:EC2/Portscan": [3],
    "account=210987654321": [4],
    "entity=198.51.100.5": [5],
    "action=BLOCK": [],
    "since=2026-11-23 12:04": [5, 4],
    "until=2026-11-23 12:02": [1],
    "severity=HIGH&since=2026-11-23 12:04&account=123456789012": [5],
    "entity=nothing": [],
    "tactic=Reconnaissance": [3],
    "tactic=Initial Access": [5, 4, 2, 1],
    "tactic=none": [],
}


@pytest.mark.every_database  # queries
def test_the_filter_narrows(viewer_client: Client) -> None:
    arrive(
        seen(1, 1),
        seen(2, 2, severity=2),
        seen(3, 3, type="Recon:EC2/Portscan"),
        seen(4, 4, accountId="210987654321"),
        seen(5, 5),
    )
    assert {query: numbers(viewer_client, f"?{query}") for query in FILTERS} == FILTERS


@pytest.mark.parametrize(
    "query", ["severity=HUGE", "since=yesterday", "account=" + "1" * 100, "entity=%00"]
)
def test_a_filter_that_means_nothing_is_told_and_kept(viewer_client: Client, query: str) -> None:
    arrive(finding())
    page = viewer_client.get(f"/events?{query}").content.decode()
    assert 'class="errorlist"' in page
    assert "SSHBruteForce" not in page.partition("<main")[2]


@pytest.mark.parametrize("cursor", ["x", "1", "1.2.3", "9" * 17 + ".1", "１.1"])  # noqa: RUF001
def test_a_cursor_that_is_none_leads_nowhere(viewer_client: Client, cursor: str) -> None:
    assert viewer_client.get("/events", {"after": cursor}).status_code in {200, 404}


def test_an_event_opens_to_everything_that_is_known(viewer_client: Client) -> None:
    arrive(finding(7, description="<script>alert(1)</script>"))
    page = viewer_client.get(f"/events/{Finding.objects.get().pk}").content.decode()
    for known in ("198.51.100.7", "Italy", "i-0123456789abcdef0", "123456789012", "eu-central-1"):
        assert known in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_what_was_not_understood_opens_too(viewer_client: Client) -> None:
    arrive({"accountId": 7})
    page = viewer_client.get(f"/events/{Finding.objects.get().pk}").content.decode()
    assert "was stored unparsed" in page


def test_who_has_no_role_sees_no_event(stranger_client: Client, viewer_client: Client) -> None:
    arrive(finding())
    for path in ("/events", f"/events/{Finding.objects.get().pk}"):
        assert stranger_client.get(path).status_code == 403
    assert viewer_client.get("/events/999999").status_code == 404


def test_an_empty_list_says_how_to_fill_it(viewer_client: Client) -> None:
    page = viewer_client.get("/events").content.decode()
    assert "manage.py importfindings" in page


@pytest.mark.every_database  # queries
@pytest.mark.parametrize(
    ("query", "shown", "rows"),
    [("severity=unknown", [7], 2), ("parsed=no", [], 1), ("parsed=yes", [7, 8], 2)],
)
def test_what_a_finding_lacks_can_be_asked_for(
    viewer_client: Client, query: str, shown: list[int], rows: int
) -> None:
    arrive(seen(7, minutes=7, severity=None), seen(8, minutes=1, severity=8), {"type": "x"})
    page = viewer_client.get(f"/events?{query}").content.decode()
    assert sorted(int(number) for number in re.findall(r"Number (\d+)\.", page)) == shown
    assert page.count('<th scope="row">') == rows


@pytest.mark.every_database  # order
def test_a_finding_from_the_future_says_so_and_is_sorted_by_its_arrival(
    viewer_client: Client,
) -> None:
    future = {"eventLastSeen": "2999-01-01T00:00:00Z"}
    arrive(finding(1, title="Number 1.", service=future), seen(2, minutes=1))
    assert numbers(viewer_client) == [2, 1]
    assert viewer_client.get("/events").content.decode().count("Future date") == 1
    dated = Finding.objects.get(title="Number 1.")
    page = viewer_client.get(f"/events/{dated.pk}").content.decode()
    assert "it says that it was last seen at" in page
    assert "2999-01-01 00:00:00" in page
    Finding.objects.filter(pk=dated.pk).update(seen_at="2999-01-01T00:00:00Z")
    module = import_module("findings.migrations.0013_fill_titles_and_mend_dates")
    module.mend_dates(apps, None)
    assert numbers(viewer_client) == [2, 1]


@pytest.mark.parametrize(("service", "badge"), [({"archived": True}, "Archived"), ({}, None)])
def test_what_is_archived_in_guardduty_is_marked(
    viewer_client: Client, service: dict[str, Any], badge: str | None
) -> None:
    arrive(finding(1, service=service))
    page = viewer_client.get("/events").content.decode()
    assert re.findall(r'<span class="badge" title="[^"]+">(\w+)</span>', page) == (
        [badge] if badge else []
    )


def test_a_date_in_the_address_fills_the_picker(viewer_client: Client) -> None:
    page = viewer_client.get("/events?since=2026-11-23").content.decode()
    assert re.search(r'<input type="datetime-local" name="since" value="2026-11-23T00:00:00"', page)
