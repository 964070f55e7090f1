from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.api_auth import Caller
from findings import policy
from findings.models import PolicyChange, Target
from findings.policy import Setting

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
    return " ".join(answer.content.decode().split())


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
    ("wanted", "count"),
    [("portscan", 1), ("s3", 1), ("OSCAR", 1), ("pipeline s3", 1), ("oscar s3", 0), ("\0", 2)],
)
def test_the_log_is_filtered_by_type_service_and_person(
    viewer_client: Client, wanted: str, count: int
) -> None:
    _change("BLOCK", Target("", PORTSCAN, ""))
    _change("BLOCK", Target("S3", "", ""), by="pipeline")

    answer = viewer_client.get("/changes", {"q": wanted})

    assert len(_rows(answer.content.decode())) == count


def test_the_filter_goes_along_to_older_pages(viewer_client: Client) -> None:
    _many(51)

    assert "?page=2&amp;q=Recon%3AEC2+oscar" in _page(viewer_client, "?q=Recon:EC2+oscar")


def test_empty_pages_say_what_to_do_next(viewer_client: Client) -> None:
    assert "Set the first action on the Threats page" in _page(viewer_client)
    assert "No changes match “nothing&lt;b&gt;”" in _page(viewer_client, "?q=nothing<b>")
    assert "There are no older changes" in _page(viewer_client, "?page=7")


def test_names_are_escaped(viewer_client: Client) -> None:
    _change("BLOCK", Target("", "<b>:S3/&x", ""), by="<i>eve</i>")

    page = _page(viewer_client)

    assert "&lt;b&gt;:S3/&amp;x" in page
    assert "&lt;i&gt;eve&lt;/i&gt;" in page


def test_without_a_role_the_page_is_refused(stranger_client: Client) -> None:
    assert stranger_client.get("/changes").status_code == 403


def test_the_page_takes_six_queries(
    operator_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(2):
        _change("BLOCK", Target("S3", "", ""))
        _change("", Target("S3", "", ""))

    _page(operator_client)  # a session's first request notes when it was
    with django_assert_max_num_queries(6):
        _page(operator_client)
