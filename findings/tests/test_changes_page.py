from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.api_auth import Caller
from findings import policy
from findings.models import PolicyChange, Target, ThreatPolicy
from findings.policy import Setting

pytestmark = pytest.mark.one_database  # pages

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
PORTSCAN = "Recon:EC2/Portscan"


def _change(action: str, target: Target, *, by: str = "oscar", at: datetime = NOON) -> None:
    policy.set_policies(
        [Setting(target, action)],
        by=Caller(name=by, client_id="c1"),
        source=PolicyChange.Source.API,
        at=at,
    )


def _page(client: Client, query: str = "") -> str:
    answer = client.get(f"/changes{query}")
    assert answer.status_code == 200
    # <wbr> is where a finding type may break.
    return " ".join(answer.content.decode().replace("<wbr>", "").split())


def _rows(page: str) -> list[str]:
    return page.partition("<tbody>")[2].partition("</tbody>")[0].split("</tr>")[:-1]


def test_a_change_says_who_what_when_from_what_to_what(viewer_client: Client) -> None:
    _change("BLOCK", Target("", PORTSCAN, "HIGH"))
    _change("SAVE", Target("", PORTSCAN, "HIGH"), by="pipeline", at=NOON + timedelta(hours=1))

    newest, oldest = _rows(_page(viewer_client))

    assert ">2026-11-23 13:00:00</time>" in newest
    assert "pipeline" in newest
    assert PORTSCAN in newest
    assert "High" in newest
    assert newest.index(">Block<") < newest.index(">Save<")
    assert "oscar" in oldest
    assert oldest.index("not set") < oldest.index(">Block<")


def test_a_setting_that_was_taken_back_is_said_to_be(viewer_client: Client) -> None:
    _change("BLOCK", Target("S3", "", ""))
    _change("", Target("S3", "", ""), at=NOON + timedelta(hours=1))

    newest = _rows(_page(viewer_client))[0]

    assert "Every S3 type" in newest
    assert "Every severity" in newest
    assert newest.index(">Block<") < newest.index("removed")


def _many(count: int) -> None:
    policy.set_policies(
        [Setting(Target("", f"Recon:EC2/Number{n:03}", ""), "BLOCK") for n in range(count)],
        by=Caller(name="oscar", client_id="c1"),
        source=PolicyChange.Source.API,
        at=NOON,
    )


def test_fifty_changes_go_on_a_page(viewer_client: Client) -> None:
    _many(101)

    pages = [_page(viewer_client, f"?page={number}") for number in (1, 2, 3)]

    assert [len(_rows(page)) for page in pages] == [50, 50, 1]
    assert "Number100" in _rows(pages[0])[0]
    assert "Number000" in _rows(pages[2])[0]
    assert ["Newer" in page for page in pages] == [False, True, True]
    assert ["Older" in page for page in pages] == [True, True, False]


@pytest.mark.parametrize("page", ["0", "-1", "x", "٣", "9999999999999999999999"])
def test_a_page_that_cannot_be_is_not_found(viewer_client: Client, page: str) -> None:
    assert viewer_client.get("/changes", {"page": page}).status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=portscan", 1),
        ("q=s3", 1),
        ("q=OSCAR", 1),
        ("q=pipeline s3", 1),
        ("q=oscar s3", 0),
        ("by=Oscar", 1),
        ("by=osc", 0),
        ("by=c1", 2),
        (f"type={PORTSCAN}", 1),
        ("type=s3", 1),
        ("since=2026-11-23T12:30:00Z", 1),
        ("until=2026-11-23T12:30", 1),
        ("since=2026-11-23&until=2026-11-24&by=pipeline", 1),
        ("source=api", 2),
        ("source=page", 0),
    ],
)
def test_the_log_and_its_export_are_filtered(viewer_client: Client, query: str, count: int) -> None:
    _change("BLOCK", Target("", PORTSCAN, ""))
    _change("BLOCK", Target("S3", "", ""), by="pipeline", at=NOON + timedelta(hours=1))

    assert len(_rows(_page(viewer_client, f"?{query}"))) == count
    assert len(_export(viewer_client, f"?{query}")) == count


def test_a_filter_by_time_before_now(viewer_client: Client) -> None:
    for hours in (0, 2):
        _change("BLOCK", Target("S3", "", ""), at=timezone.now() - timedelta(hours=hours))
        _change("", Target("S3", "", ""), at=timezone.now() - timedelta(hours=hours))
    assert len(_rows(_page(viewer_client, "?period=1h"))) == 2
    assert len(_rows(_page(viewer_client, "?period=24h"))) == 4


def test_a_wrong_filter_is_explained(viewer_client: Client) -> None:
    for query in ("since=yesterday", "source=fax", "q=%00"):
        page = _page(viewer_client, f"?{query}")
        assert "Correct the filter above" in page
        answer = viewer_client.get(f"/changes.csv?{query}")
        assert (answer.status_code, answer["Location"]) == (302, f"/changes?{query}")


def _export(client: Client, query: str = "") -> list[dict[str, str]]:
    answer: Any = client.get(f"/changes.csv{query}")
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith('attachment; filename="policy-changes-')
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_the_export_has_every_column_and_no_formulas(viewer_client: Client) -> None:
    _change("BLOCK", Target("", PORTSCAN, "HIGH"), by="=cmd()")
    assert _export(viewer_client) == [
        {
            "changed_at": "2026-11-23T12:00:00Z",
            "changed_by_name": "'=cmd()",
            "client_id": "c1",
            "source": "api",
            "service": "",
            "finding_type": PORTSCAN,
            "severity": "HIGH",
            "action_before": "",
            "action_after": "BLOCK",
        }
    ]


def test_the_export_is_read_in_pieces_and_leaves_out_none(viewer_client: Client) -> None:
    _many(130)  # of the same time
    answer: Any = viewer_client.get("/changes.csv")
    with CaptureQueriesContext(connection) as queries:
        stream = iter(answer.streaming_content)
        for _ in range(50):
            next(stream)
        assert len(queries) == 2  # the primary keys, and their rows
        assert len(list(stream)) == 81


def test_a_change_can_be_reverted_by_those_who_may_change_the_policy(
    operator_client: Client, viewer_client: Client
) -> None:
    _change("BLOCK", Target("", "Trojan:Mars/Unheard", "LOW"))
    _change("", Target("", "Trojan:Mars/Unheard", "LOW"), at=NOON + timedelta(hours=1))
    newest = _rows(_page(operator_client))[0]
    [address] = re.findall(r'href="(/threats\?revert=\d+)"', newest)

    page = operator_client.get(address)

    staged = json.loads(page.context["revert"])
    assert staged["told"] == "This reverts the change by oscar on 2026-11-23 at 13:00:00 UTC."
    assert staged["changes"] == [
        {
            "service": "",
            "type": "Trojan:Mars/Unheard",
            "severity": "LOW",
            "action": "BLOCK",
            "base": None,
        }
    ]
    assert "Trojan:Mars/Unheard" in page.content.decode()  # it has a row, though nothing is set
    assert not ThreatPolicy.objects.exists()
    assert "revert=" not in _page(viewer_client)
    assert viewer_client.get(address).context["revert"] == ""
    for wrong in ("0", "x", "-1", "9" * 30, ""):
        assert operator_client.get("/threats", {"revert": wrong}).status_code == 404


def test_the_filter_goes_along_to_older_pages(viewer_client: Client) -> None:
    _many(51)

    assert "?page=2&amp;q=Recon%3AEC2+oscar" in _page(viewer_client, "?q=Recon:EC2+oscar")


def test_empty_pages_say_what_to_do_next(viewer_client: Client) -> None:
    assert "Set the first action on the Threats page" in _page(viewer_client)
    assert "No changes match the filter" in _page(viewer_client, "?q=nothing<b>")
    assert "There are no older changes" in _page(viewer_client, "?page=7")


def test_names_are_escaped(viewer_client: Client) -> None:
    _change("BLOCK", Target("", "<b>:S3/&x", ""), by="<i>eve</i>")

    page = _page(viewer_client)

    assert "&lt;b&gt;:S3/&amp;x" in page
    assert "&lt;i&gt;eve&lt;/i&gt;" in page


def test_without_a_role_the_page_is_refused(stranger_client: Client) -> None:
    for path in ("/changes", "/changes.csv"):
        assert stranger_client.get(path).status_code == 403


def test_the_page_takes_six_queries(
    operator_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(2):
        _change("BLOCK", Target("S3", "", ""))
        _change("", Target("S3", "", ""))

    _page(operator_client)  # a session's first request notes when it was
    with django_assert_max_num_queries(6):
        _page(operator_client)
