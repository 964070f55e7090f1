"""The dashboard of the last 30 days."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from actions.tests.attacks import arrive, attack, set_action
from license.models import License

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _today() -> object:
    with time_machine.travel(NOW, tick=False):
        yield


def seen(number: int, *, days: float = 0, **members: object) -> dict[str, object]:
    at = NOW - timedelta(days=days)
    return attack(number, service={"eventLastSeen": at.isoformat()}, **members)


def dashboard(client: Client) -> str:
    answer = client.get("/")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def table(page: str) -> dict[str, list[int]]:
    """Returns each day with its counts of Critical, High, Medium, Low, Unknown, and in total."""
    rows = re.findall(r'<th scope="row"><time datetime="([^"]+)">(.*?)</tr>', page)
    return {day: [int(n) for n in re.findall(r">(\d+)</td>", cells)] for day, cells in rows}


def test_findings_are_counted_by_day_and_severity(viewer_client: Client) -> None:
    arrive(
        seen(1),
        seen(2, severity=9.5),
        seen(3, days=1, severity=2),
        seen(4, days=29.6, severity=5),
        seen(5, days=1, severity=None),
        seen(6, days=29.7),  # the day before the first
    )
    page = dashboard(viewer_client)
    assert "5 findings by day" in page
    days = table(page)
    assert len(days) == 30
    assert {day: counts for day, counts in days.items() if counts[-1]} == {
        "2026-11-23": [1, 1, 0, 0, 0, 2],
        "2026-11-22": [0, 0, 0, 1, 1, 2],
        "2026-10-25": [0, 0, 1, 0, 0, 1],
    }


def test_each_bar_leads_to_its_events(viewer_client: Client) -> None:
    arrive(seen(1), seen(2, severity=9.5), seen(3, days=1))
    page = dashboard(viewer_client)
    bars = re.findall(r'<a href="([^"]+)" aria-label="([^"]+)"><rect', page)
    assert {label for _, label in bars} == {
        "23 November, Critical: 1",
        "23 November, High: 1",
        "22 November, High: 1",
    }
    for path, _ in bars:
        events = viewer_client.get(path).content.decode()
        assert events.count('<th scope="row">') == 1


def test_it_tells_what_was_decided_what_was_done_and_what_was_seen_most(
    viewer_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    set_action("BLOCK")
    arrive(*(seen(number) for number in range(3)), seen(9, type="Recon:EC2/Portscan"))
    with django_assert_max_num_queries(12):
        page = dashboard(viewer_client)
    lists = re.findall(r'<li><a href="([^"]+)">(.*?)</a> <span class="numeric">(\d+)', page)
    told = {(re.sub("<[^>]+>", "", name), int(count)): path for path, name, count in lists}
    for line in (
        ("Block", 3),
        ("Report", 1),
        ("Block: dry run", 3),
        ("UnauthorizedAccess:EC2/SSHBruteForce", 3),
        ("i-0123456789abcdef0", 4),
    ):
        listed = viewer_client.get(told[line], headers={"Accept": "text/html"})
        assert listed.content.decode().count('<th scope="row">') == line[1]


def test_it_tells_the_state_of_the_license(viewer_client: Client, expired_license: License) -> None:
    assert "Expired" in dashboard(viewer_client).partition('id="license"')[2]


def test_a_newcomer_is_told_how_findings_come_in(viewer_client: Client) -> None:
    assert "importfindings" in dashboard(viewer_client)
    arrive(seen(1, days=100))
    assert "importfindings" not in dashboard(viewer_client)


def test_who_has_no_role_gets_no_further(stranger_client: Client, client: Client) -> None:
    assert stranger_client.get("/", follow=True).status_code == 403
    assert client.get("/").status_code == 302


def test_findings_are_counted_by_tactic_in_the_order_of_the_matrix(viewer_client: Client) -> None:
    arrive(
        seen(1, type="Impact:EC2/PortSweep"),
        seen(2),
        seen(3),
        seen(4, type="Policy:S3/BucketPublicAccessGranted"),
        seen(5, days=40, type="Discovery:S3/TorIPCaller"),
    )
    chart = dashboard(viewer_client).partition('id="tactics"')[2].partition("</section>")[0]
    bars = re.findall(r'<a href="([^"]+)">([^<]+)</a> <span class="numeric">(\d+)<', chart)
    assert [(name, count) for _, name, count in bars] == [
        ("Initial Access", "2"),
        ("Impact", "1"),
        ("No tactic", "1"),
    ]
    for path, _, count in bars:
        events = viewer_client.get(path).content.decode()
        assert events.count('<th scope="row">') == int(count)
