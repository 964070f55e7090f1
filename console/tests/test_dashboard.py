"""The dashboard."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from actions.models import Reaction, ReactionKind, State
from actions.tests.attacks import arrive, attack, set_action
from findings.models import Finding
from license.models import License
from storage import capped

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
    with django_assert_max_num_queries(17):
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


def test_many_actions_are_counted_up_to_a_limit(
    viewer_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_action("BLOCK")
    arrive(*(seen(number) for number in range(3)))
    for most, said in ((3, "3"), (2, "2+")):
        monkeypatch.setattr(capped, "MOST", most)
        line = r'>Block: dry run</a> <span class="numeric">([^<]+)</span>'
        assert re.findall(line, dashboard(viewer_client)) == [said]


def test_a_day_is_shown_by_hour(viewer_client: Client) -> None:
    arrive(seen(1), seen(2, days=0.9), seen(3, days=0.99))  # the last is in the hour before
    page = unescape(viewer_client.get("/?period=24h").content.decode())
    assert "2 findings by hour" in page
    bars = re.findall(r'<a href="([^"]+)" aria-label="([^"]+)"><rect', page)
    assert {label for _, label in bars} == {
        "23 November 15:00, High: 1",
        "22 November 17:00, High: 1",
    }
    for path, _ in bars:
        assert viewer_client.get(path).content.decode().count('<th scope="row">') == 1


def test_the_period_is_compared_with_the_one_before(viewer_client: Client) -> None:
    arrive(
        *(seen(number, days=1) for number in range(3)),
        seen(3, days=1, severity=9.5),
        seen(4, days=7.5),
        seen(5, days=8, severity=2),
        seen(6, days=8, severity=2),
        seen(7, days=7.1, severity=5),
        seen(8, days=6.9, severity=5),  # later in its period than now is in this one
    )
    page = unescape(viewer_client.get("/?period=7d").content.decode())
    tiles = re.findall(r'class="card tile" href="[^"]+">(.*?)</a>', page, re.DOTALL)
    assert [" ".join(re.sub("<[^>]+>", "", tile).split()) for tile in tiles] == [
        "All findings 4 as before",
        "Critical 1 1 more",
        "High 3 2 more",
        "Medium 0 1 fewer",
        "Low 0 2 fewer",
    ]


@pytest.mark.one_database  # pages and texts
def test_it_leads_with_what_needs_a_person(viewer_client: Client, operator: User) -> None:
    assert "No finding of high severity is unassigned" in dashboard(viewer_client)
    arrive(*(seen(number, severity=9.5) for number in range(4)), seen(9))
    Finding.objects.filter(finding_id=f"{0:032x}").update(assignee=operator)
    Finding.objects.filter(finding_id=f"{1:032x}").update(status="benign", closed_at=NOW)
    critical, high = Finding.objects.order_by("pk")[2:4]
    for state, finding, minutes in (
        (State.FAILED, critical, 0),
        (State.PENDING, critical, 11),
        (State.PENDING, high, 9),  # a worker may still be at it
        (State.WAITING, high, 0),
    ):
        Reaction.objects.create(
            finding=finding,
            kind=ReactionKind.BLOCK,
            target_kind="address",
            target=f"{state} {minutes}",
            state=state,
            decided_at=NOW - timedelta(minutes=minutes),
            due_at=None if state == State.FAILED else NOW + timedelta(days=1),
            settled_at=NOW if state == State.FAILED else None,
        )
    needs = dashboard(viewer_client).partition('id="needs"')[2].partition("</section>")[0]
    found = re.findall(r'</span> <a href="([^"]+)">(.*?)</a></li>', needs)
    assert [text for _, text in found] == [
        "1 action waiting for approval",
        "2 critical findings open and unassigned",
        "1 high finding open and unassigned",
        "1 action pending for over 10 minutes",
        "1 action failed",
    ]
    for (path, _), rows in zip(found, (1, 2, 1, 2, 1), strict=True):
        page = viewer_client.get(path, headers={"Accept": "text/html"}).content.decode()
        assert page.count('<th scope="row">') == rows


@pytest.mark.one_database  # pages and texts
def test_it_tells_the_state_of_the_license(viewer_client: Client, expired_license: License) -> None:
    assert "Expired" in dashboard(viewer_client).partition('id="license"')[2]


@pytest.mark.one_database  # pages and texts
def test_a_newcomer_is_told_how_findings_come_in(viewer_client: Client) -> None:
    assert "importfindings" in dashboard(viewer_client)
    arrive(seen(1, days=100))
    assert "importfindings" not in dashboard(viewer_client)


@pytest.mark.one_database  # pages and texts
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
