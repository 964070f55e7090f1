"""The search box, the time presets, the order and the chips of the Events page."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from importlib import import_module

import pytest
import time_machine
from django.apps import apps
from django.test import Client

from findings import search
from findings.models import Finding, KnownTitle
from findings.tests.findings import BRUTE_FORCE, finding
from findings.tests.test_events_page import NOON, arrive, numbers, seen
from findings.tests.test_get_events import answer, titles

S3 = {"resourceType": "S3Bucket", "s3BucketDetails": [{"name": "prod-logs"}]}


@pytest.fixture(autouse=True)
def _events(db: None) -> None:
    arrive(
        seen(1, 1),
        seen(2, 2, type="Recon:EC2/Portscan", severity=2),
        seen(3, 3, type="Policy:S3/BucketPublicAccessGranted", resource=S3, severity=9.5),
        seen(4, 4, accountId="210987654321", severity=5),
        finding(
            5,
            type="New:EC2/NotInTheCatalog",
            title="Number 5. Somebody mines 100% Bitcoin",
            service={"eventLastSeen": (NOON + timedelta(minutes=5)).isoformat()},
            severity=None,
        ),
    )


FOUND: dict[str, list[int]] = {
    "198.51.100.4": [4],
    " 198.51.100.4 ": [4],
    "prod-logs": [3],
    "arn:aws:s3:::prod-logs": [],
    f"{2:032x}": [2],
    f"arn:aws:guardduty:eu-central-1:1:detector/d/finding/{2:032x}": [2],
    "210987654321": [4],
    "Recon:EC2/Portscan": [2],
    "New:EC2/NotInTheCatalog": [5],
    "portscan": [2],
    "brute SSH": [4, 1],
    "s3 public": [3],
    "bitcoin": [5],
    "mines number": [5],
    "100%": [5],
    "100_": [],
    "prod-l": [3],
    "Number": [5, 4, 3, 2, 1],
    "nothing like this": [],
    "'; DROP TABLE findings_finding; --": [],
}


def test_the_search_understands_what_is_pasted(viewer_client: Client) -> None:
    shown, told = {}, {}
    for text in FOUND:
        page = viewer_client.get("/events", {"q": text}).content.decode()
        shown[text] = [int(number) for number in re.findall(r"Number (\d+)\.", page)]
        answer = viewer_client.get("/findings/events", {"q": text}).json()["findings"]
        told[text] = [one["title"].partition(".")[0] for one in answer]
    assert shown == FOUND
    assert told == {text: [f"Number {n}" for n in numbers] for text, numbers in FOUND.items()}


def test_the_search_keeps_to_the_other_filters_and_goes_on_to_the_next_page(
    viewer_client: Client,
) -> None:
    arrive(*(seen(number, number % 7, severity=2) for number in range(100, 160)))
    found: list[int] = []
    after = ""
    for size in (25, 25, 10):
        page = answer(viewer_client, f"?q=brute&severity=LOW{after}")
        assert len(page["findings"]) == size
        found += [one["id"] for one in page["findings"]]
        after = f"&after={page['next']}"
    rows = Finding.objects.filter(severity="LOW", finding_type=BRUTE_FORCE)
    assert found == list(rows.order_by("-seen_at", "-pk").values_list("pk", flat=True))


@pytest.mark.parametrize("most_types", [40, 1])
@pytest.mark.parametrize("most_titles", [50, 1])
def test_words_of_titles_are_found_in_all_findings_and_numbers_in_the_newest(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch, most_types: int, most_titles: int
) -> None:
    monkeypatch.setattr(search, "MOST_TYPES", most_types)
    monkeypatch.setattr("findings.titles.MOST", most_titles)
    for number, title in (
        (6, "Somebody scans 10.20.30.40"),
        (7, "Ein Rätsel"),
        (8, "198.51.100.8"),
    ):
        at = (NOON - timedelta(days=number)).isoformat()
        arrive(finding(number, title=title, type="Old:EC2/Scan", service={"eventLastSeen": at}))
    assert titles(viewer_client, "?q=10.20.30") == ["Somebody scans 10.20.30.40"]
    monkeypatch.setattr(search, "TITLES", 3)
    if most_titles > 1:  # else, the titles of this type are too many to be known
        assert titles(viewer_client, "?q=10.20.30") == []
    assert titles(viewer_client, "?q=SOMEBODY+scan") == ["Somebody scans 10.20.30.40"]
    assert titles(viewer_client, "?q=rätsel") == ["Ein Rätsel"]
    assert titles(viewer_client, "?q=old+sel") == ["Ein Rätsel"]
    assert len(titles(viewer_client, "?q=e")) == 8


def test_findings_from_before_the_upgrade_are_found_too(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "TITLES", 1)
    KnownTitle.objects.all().delete()
    assert titles(viewer_client, "?q=bitcoin+mines+5") == ["Number 5. Somebody mines 100% Bitcoin"]
    assert titles(viewer_client, "?q=number+1.") == []
    module = import_module("findings.migrations.0013_fill_titles_and_mend_dates")
    module.fill_titles(apps, None)
    assert titles(viewer_client, "?q=number+1.") == ["Number 1."]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("oldest", [1, 2, 3, 4, 5]),
        ("severity", [3, 1, 4, 2, 5]),
        ("type", [5, 3, 2, 4, 1]),
        ("account", [5, 3, 2, 1, 4]),
        ("type&q=number", [5, 3, 2, 4, 1]),
        ("account&severity=HIGH", [1]),
    ],
)
def test_the_order_holds_from_page_to_page(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch, sort: str, expected: list[int]
) -> None:
    monkeypatch.setattr("findings.events.PAGER.size", 2)
    found: list[int] = []
    query = f"?sort={sort}"
    for _ in range((len(expected) + 1) // 2):
        page = unescape(viewer_client.get(f"/events{query}").content.decode())
        found += [int(number) for number in re.findall(r"Number (\d+)\.", page)]
        older = re.search(r'rel="next" href="([^"]+)"', page)
        query = older[1] if older else ""
    assert found == expected
    assert query == ""


@pytest.mark.parametrize("after", ["7-0.0", "3-0.0", "0-0.0"])
def test_a_cursor_of_another_order_leads_to_an_end(viewer_client: Client, after: str) -> None:
    for sort in ("", "&sort=severity", "&sort=oldest", "&sort=type", "&q=brute"):
        assert viewer_client.get(f"/findings/events?after={after}{sort}").status_code == 200


@pytest.mark.one_database  # links of a page
@pytest.mark.parametrize(("period", "expected"), [("1h", [5, 4, 3]), ("24h", [5, 4, 3, 2, 1])])
def test_a_preset_of_time_ends_now(viewer_client: Client, period: str, expected: list[int]) -> None:
    with time_machine.travel(NOON + timedelta(hours=1, minutes=2, seconds=30)):
        assert numbers(viewer_client, f"?period={period}") == expected


@pytest.mark.one_database  # links of a page
def test_each_active_filter_is_a_link_that_removes_it(viewer_client: Client) -> None:
    page = viewer_client.get("/events?q=<b>&severity=HIGH&period=24h&view=Night+shift")
    shown = unescape(page.content.decode())
    link = r'class="chip" href="([^"]*)"><span[^>]*>Remove </span>(.*?)<span'
    chips = dict(re.findall(link, shown))
    assert chips == {
        "/events?severity=HIGH&period=24h&view=Night+shift": "Search: <b>",
        "/events?q=%3Cb%3E&period=24h&view=Night+shift": "Severity: High",
        "/events?q=%3Cb%3E&severity=HIGH&view=Night+shift": "Last seen: 24 h",
    }
    assert "<h1>Night shift</h1>" in shown
    assert "&lt;b&gt;" in page.content.decode()


@pytest.mark.one_database  # links of a page
def test_a_chip_is_short_whatever_was_sent(viewer_client: Client) -> None:
    page = viewer_client.get("/events", {"severity": "x" * 500}).content.decode()
    [chip] = re.findall(r"Severity: (x+…)<", page)
    assert len(chip) == 60


def test_the_page_asks_for_newer_events_and_the_answer_counts_them(viewer_client: Client) -> None:
    page = unescape(viewer_client.get("/events?severity=HIGH").content.decode())
    [url] = re.findall(r'hx-get="([^"]+)"', page)
    assert viewer_client.get(url).content.strip() == b""
    arrive(seen(6, 6), seen(7, 7), seen(8, 8, severity=2))
    told = viewer_client.get(url).content.decode()
    assert "2 newer events" in told
    assert 'href="/events?severity=HIGH"' in told
    assert viewer_client.get("/events/newer?severity=HUGE").status_code == 404
