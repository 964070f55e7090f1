"""The Entities page."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from findings import entities
from findings.tests.findings import finding
from findings.tests.test_events_page import arrive
from storage.paging import NumberPager

NAME = r'href="/entities/[0-9]+"><code>([^<]+)</code>'


def names(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/entities{query}")
    assert answer.status_code == 200
    return re.findall(NAME, answer.content.decode())


def test_what_several_kinds_of_threat_name_comes_first(viewer_client: Client) -> None:
    arrive(
        finding(1),
        finding(2),
        finding(3, type="Recon:EC2/Portscan", resource={"instanceDetails": {"instanceId": "i-9"}}),
        finding(258, type="Recon:EC2/Portscan"),  # same address as the second
        *(finding(256 * times + 1) for times in range(1, 4)),  # more findings, but one type
    )
    assert names(viewer_client) == [
        "i-0123456789abcdef0",
        "198.51.100.2",
        "198.51.100.1",
        "198.51.100.3",
        "i-9",
    ]


@pytest.mark.one_database  # pages
def test_a_row_tells_how_often_since_when_and_whether_it_is_stale(viewer_client: Client) -> None:
    now = timezone.now()
    for number, days in ((1, 200), (2, 91)):
        seen = {"eventLastSeen": (now - timedelta(days=days)).isoformat()}
        arrive(finding(number, service=seen, resource={"instanceDetails": {"instanceId": "i-old"}}))
    arrive(finding(3, resource={}, service={"eventLastSeen": now.isoformat()}))
    page = viewer_client.get("/entities?name=i-old").content.decode()
    for days in (200, 91):
        assert f"{now - timedelta(days=days):%Y-%m-%d %H:%M}" in page
    assert "Stale" in page
    assert "Stale" not in viewer_client.get("/entities?name=198.51.100.3").content.decode()


FILTERS: dict[str, list[str]] = {
    "?kind=instance": ["i-0123456789abcdef0"],
    "?name=.100.1": ["198.51.100.1"],
    "?kind=bucket": [],
    "?page=2": [],
    "?period=24h": [],
    "?since=2026-11-23": ["i-0123456789abcdef0", "198.51.100.1", "198.51.100.2"],
    "?until=2026-11-23": [],
    "?sort=name": ["198.51.100.1", "198.51.100.2", "i-0123456789abcdef0"],
    "?sort=findings&kind=instance": ["i-0123456789abcdef0"],
    "?sort=seen&name=.100.2": ["198.51.100.2"],
}


def test_the_filter_narrows(viewer_client: Client) -> None:
    arrive(finding(1), finding(2))
    assert {query: names(viewer_client, query) for query in FILTERS} == FILTERS


@pytest.mark.parametrize("few", [0, 50])
@pytest.mark.parametrize("sort", ["", "findings", "seen", "name"])
def test_the_filter_by_time_finds_the_same_among_few_and_many(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch, sort: str, few: int
) -> None:
    monkeypatch.setattr(entities, "FEW", few)
    for number in range(4):
        seen = {"eventLastSeen": f"2026-11-2{number}T12:00:00Z"}
        arrive(finding(number, service=seen, resource={}))
    between = f"?sort={sort}&since=2026-11-21T12:00:00&until=2026-11-23"
    assert sorted(names(viewer_client, between)) == ["198.51.100.1", "198.51.100.2"]
    assert names(viewer_client, f"{between}&kind=instance") == []


FOUND: dict[str, list[str]] = {
    "0123456789": ["i-0123456789abcdef0"],  # a part of the first
    "ABCDEF": ["i-0123456789abcdef0"],
    "198.51.100.2": ["198.51.100.2"],  # the beginning of others
    "198.51": ["198.51.100.1", "198.51.100.2", "198.51.100.3"],
    "::ffff:198.51.100.3": ["198.51.100.3"],
    ".51.": [],
    "%": [],
}


def test_a_search_finds_beginnings_and_parts_of_the_first_names(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(finding(1), finding(2), finding(3))
    monkeypatch.setattr(entities, "FIRST", 1)
    found = {
        text: names(viewer_client, f"?{urlencode({'name': text, 'sort': 'findings'})}")
        for text in FOUND
    }
    assert found == FOUND


@pytest.mark.one_database  # pages
def test_the_list_says_where_it_ends(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entities, "PAGER", NumberPager(2, most=2))
    arrive(*(finding(number) for number in range(4)))
    end = "The list ends here"
    assert end not in viewer_client.get("/entities").content.decode()
    page = viewer_client.get("/entities?page=2").content.decode()
    assert end in page
    assert 'rel="next"' not in page
    assert viewer_client.get("/entities?page=3").status_code == 404


def test_a_page_has_fifty(viewer_client: Client) -> None:
    arrive(*(finding(number) for number in range(120)))
    assert [len(names(viewer_client, f"?page={page}")) for page in (1, 2, 3)] == [50, 50, 21]


@pytest.mark.one_database  # pages
@pytest.mark.parametrize("query", ["?kind=odd", "?name=%00", "?name=" + "x" * 600])
def test_a_filter_that_means_nothing_is_told(viewer_client: Client, query: str) -> None:
    assert 'class="errorlist"' in viewer_client.get(f"/entities{query}").content.decode()


@pytest.mark.one_database  # pages
@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999"])
def test_a_page_that_is_none_is_not_found(viewer_client: Client, page: str) -> None:
    assert viewer_client.get(f"/entities?page={page}").status_code == 404


@pytest.mark.one_database  # pages
def test_who_has_no_role_sees_none(stranger_client: Client) -> None:
    assert stranger_client.get("/entities").status_code == 403
