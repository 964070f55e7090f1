"""Exports of the list of findings."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from findings import export
from findings.tests.findings import finding
from findings.tests.test_events_page import arrive, seen


def download(client: Client, path: str) -> str:
    answer: Any = client.get(path)
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith('attachment; filename="findings-')
    return b"".join(answer.streaming_content).decode()


def test_csv_has_what_the_filter_finds(viewer_client: Client) -> None:
    arrive(*(seen(number, number, severity=2 + 6 * (number % 2)) for number in range(10)))
    rows = list(csv.DictReader(io.StringIO(download(viewer_client, "/events.csv?severity=LOW"))))
    assert [row["title"] for row in rows] == [f"Number {number}." for number in (8, 6, 4, 2, 0)]
    assert (rows[0]["status"], rows[0]["seen_at"]) == ("new", "2026-11-23T12:08:00Z")


@pytest.mark.parametrize(
    "query",
    [
        "sort=severity",
        # The queries of these run on every database in test_search.py.
        *(
            pytest.param(query, marks=pytest.mark.one_database)
            for query in ("", "q=brute", "sort=oldest&status=open")
        ),
    ],
)
def test_json_lines_have_the_members_of_the_api_through_all_pages(
    viewer_client: Client, query: str
) -> None:
    arrive(*(seen(number, number % 9, severity=2 + number % 8) for number in range(130)))
    lines = download(viewer_client, f"/events.jsonl?{query}").splitlines()
    told: list[Any] = []
    after = ""
    while after is not None:
        more = f"&after={after}" if after else ""
        page = viewer_client.get(f"/findings/events?{query}{more}".replace("?&", "?")).json()
        told += page["findings"]
        after = page["next"]
    assert [json.loads(line) for line in lines] == told
    assert len(told) == 130


@pytest.mark.one_database  # texts
@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("=HYPERLINK(0)", "'=HYPERLINK(0)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1;", "a;'=1;"),
        ("a-b = 1; -", "a-b = 1; -"),
    ],
)
def test_a_formula_in_a_finding_is_text_in_the_export(
    viewer_client: Client, title: str, told: str
) -> None:
    arrive(finding(title=title))
    [row] = csv.DictReader(io.StringIO(download(viewer_client, "/events.csv")))
    assert row["title"] == told
    [line] = download(viewer_client, "/events.jsonl").splitlines()
    assert json.loads(line)["title"] == title


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_that_is_cut_off_says_so(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(export, "LIMIT", 3)
    arrive(*(seen(number, number) for number in range(3)))
    assert "The export ends here" not in download(viewer_client, f"/events.{form}")
    arrive(seen(3, 3))
    last = download(viewer_client, f"/events.{form}").splitlines()[-1]
    assert "The export ends here, after 3 rows" in last


def test_an_export_is_read_in_pieces(viewer_client: Client) -> None:
    arrive(*(seen(number, number) for number in range(150)))
    answer: Any = viewer_client.get("/events.csv")
    with CaptureQueriesContext(connection) as queries:
        stream = iter(answer.streaming_content)
        for _ in range(50):
            next(stream)
        assert len(queries) == 2  # the primary keys, and their rows
        assert len(list(stream)) == 101
    assert len(queries) == 4


@pytest.mark.one_database  # pages and rights
def test_a_wrong_filter_leads_to_the_page_that_explains_it(viewer_client: Client) -> None:
    answer = viewer_client.get("/events.csv?severity=HUGE")
    assert (answer.status_code, answer["Location"]) == (302, "/events?severity=HUGE")


@pytest.mark.one_database  # pages and rights
def test_who_may_not_see_findings_exports_none(stranger_client: Client) -> None:
    for path in ("/events.csv", "/events.jsonl", "/events/newer"):
        assert stranger_client.get(path).status_code == 403
