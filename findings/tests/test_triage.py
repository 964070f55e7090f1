"""Triage: status, assignee and notes of findings, on the pages and through the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from findings.models import Finding, Status, TriageEntry
from findings.tests.api import assert_problem
from findings.tests.findings import finding
from findings.tests.test_events_page import NOON, arrive, numbers, seen

licensed = pytest.mark.usefixtures("valid_license")


@pytest.fixture
def pks(db: None) -> list[int]:
    arrive(*(seen(number, number) for number in range(1, 5)))
    return list(Finding.objects.order_by("seen_at").values_list("pk", flat=True))


def patch(client: Client, **body: Any) -> Any:
    return client.patch("/findings/events", body, content_type="application/json")


@licensed
def test_one_event_is_triaged_on_its_page_and_the_page_tells_who_did_what(
    operator_client: Client, operator: User, pks: list[int]
) -> None:
    sent = {"status": "in_progress", "assignee": operator.pk, "note": "I ask <the team>."}
    answer = operator_client.post(f"/events/{pks[0]}/triage", sent, follow=True)
    assert answer.redirect_chain == [(f"/events/{pks[0]}", 302)]
    sent = {"status": "benign", "assignee": "nobody", "note": ""}
    page = operator_client.post(f"/events/{pks[0]}/triage", sent, follow=True).content.decode()
    history = page.partition('<ol class="triage-log">')[2].partition("</ol>")[0]
    newest, oldest = history.split("</li>")[:2]
    assert "In progress → <strong>Benign</strong>" in newest
    assert "Removed oscar as assignee" in newest
    assert "New → <strong>In progress</strong>" in oldest
    assert "Assigned to <strong>oscar</strong>" in oldest
    assert "I ask &lt;the team&gt;." in oldest
    finding = Finding.objects.get(pk=pks[0])
    assert (finding.status, finding.assignee) == (Status.BENIGN, None)
    assert finding.closed_at is not None


@licensed
def test_a_note_changes_nothing_else_that_another_user_changed_meanwhile(
    operator_client: Client, operator: User, pks: list[int]
) -> None:
    page = operator_client.get(f"/events/{pks[0]}").content.decode()
    shown = dict(re.findall(r'name="(initial-\w+)" value="(\w+)"', page))
    assert shown == {"initial-status": "new", "initial-assignee": "nobody"}
    patch(operator_client, ids=pks[:1], status="in_progress", assignee="oscar")
    sent = {**shown, "status": "new", "assignee": "nobody", "note": "I wrote for long."}
    operator_client.post(f"/events/{pks[0]}/triage", sent)
    finding = Finding.objects.get(pk=pks[0])
    assert (finding.status, finding.assignee) == (Status.IN_PROGRESS, operator)
    assert TriageEntry.objects.latest("pk").note == "I wrote for long."


@licensed
def test_saving_what_is_already_so_leaves_no_trace(operator_client: Client, pks: list[int]) -> None:
    sent = {"status": "new", "assignee": "nobody", "note": " "}
    page = operator_client.post(f"/events/{pks[0]}/triage", sent, follow=True)
    assert "Nothing has changed." in page.content.decode()
    assert not TriageEntry.objects.exists()


@pytest.mark.one_database  # forms and pages
@licensed
def test_a_refused_note_stays_in_the_form(operator_client: Client, pks: list[int]) -> None:
    note = "long " * 1000
    sent = {"status": "benign", "assignee": "nobody", "note": note}
    page = operator_client.post(f"/events/{pks[0]}/triage", sent).content.decode()
    assert note.strip() in page
    assert 'value="benign" selected' in page
    assert not TriageEntry.objects.exists()


@licensed
def test_many_events_are_closed_at_once_and_the_filter_stays(
    operator_client: Client, pks: list[int], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    operator_client.get("/events")  # a session's first request notes when it was
    sent = {"finding": pks[:3], "status": "false_positive", "note": "Our scanner."}
    with django_assert_max_num_queries(25):
        answer = operator_client.post("/events/triage?severity=HIGH&status=new", sent)
    assert answer["Location"] == "/events?severity=HIGH&status=new"
    assert numbers(operator_client, "?status=closed") == [3, 2, 1]
    assert numbers(operator_client, "?status=open") == [4]
    entries = TriageEntry.objects.order_by("finding")
    assert [(one.finding_id, one.note, one.by_name) for one in entries] == [
        (pk, "Our scanner.", "oscar") for pk in pks[:3]
    ]


@pytest.mark.one_database  # forms and pages
@licensed
@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"status": "benign"}, "Select at least one event."),
        ({"finding": ["x", "9" * 30]}, "Select at least one event."),
        ({"finding": "all of them"}, "Select at least one event."),
        ({"finding": "PK", "status": "", "note": " "}, "Choose a status or an assignee"),
        ({"finding": "PK", "status": "gone"}, "not one of the available choices"),
        ({"finding": "PK", "assignee": "999"}, "not one of the available choices"),
        ({"finding": "PK", "note": "a\0b"}, "Null characters are not allowed"),
    ],
)
def test_a_refused_selection_stays_selected(
    operator_client: Client, pks: list[int], sent: dict[str, Any], told: str
) -> None:
    sent = {"note": "typed before", **sent}
    if sent.get("finding") == "PK":
        sent["finding"] = pks[1]
    answer = operator_client.post("/events/triage?severity=HIGH", sent)
    page = answer.content.decode()
    assert told in page
    assert re.findall(r'name="finding" value="(\d+)"[^>]* checked', page) == (
        [str(pks[1])] if sent.get("finding") == pks[1] else []
    )
    if sent["note"] == "typed before":
        assert "typed before</textarea>" in page
    assert "/events/triage?severity=HIGH" in page
    assert not TriageEntry.objects.exists()


@pytest.mark.one_database  # forms and pages
def test_without_a_license_nothing_is_triaged_and_what_was_typed_is_kept(
    operator_client: Client, pks: list[int]
) -> None:
    sent = {"finding": pks[:2], "status": "benign", "note": "typed before"}
    answer = operator_client.post("/events/triage", sent, headers={"Accept": "text/html"})
    assert answer.status_code == 403
    page = answer.content.decode()
    for value in (*map(str, pks[:2]), "benign", "typed before"):
        assert f'value="{value}"' in page
    assert_problem(patch(operator_client, ids=pks), 403, "license_missing")
    assert not TriageEntry.objects.exists()


@pytest.mark.one_database  # forms and pages
@licensed
def test_viewers_see_the_triage_and_cannot_change_it(
    viewer_client: Client, operator: User, pks: list[int]
) -> None:
    Finding.objects.filter(pk=pks[0]).update(assignee=operator, status="in_progress")
    for path in ("/events", f"/events/{pks[0]}"):
        page = viewer_client.get(path).content.decode()
        assert "In progress" in page
        assert "oscar" in page
        assert 'name="note"' not in page
        assert 'type="checkbox"' not in page
    for path in ("/events/triage", f"/events/{pks[0]}/triage"):
        sent = {"finding": pks[0], "status": "benign"}
        assert viewer_client.post(path, sent).status_code == 403
    assert_problem(patch(viewer_client, ids=pks), 403, "permission_denied")


@pytest.mark.one_database  # scopes
@licensed
def test_a_program_triages_with_a_scope_of_its_own(
    program: Callable[[str], Client], operator: User, pks: list[int]
) -> None:
    refused = patch(program("findings:read findings:write"), ids=pks, status="benign")
    assert_problem(refused, 403, "insufficient_scope")
    client = program("findings:triage findings:read")
    body = {"ids": [*pks[:2], 999], "status": "benign", "assignee": "oscar", "note": "SOAR"}
    answer = patch(client, **body)
    assert answer.json() == {"changed": pks[:2], "unchanged": 0, "unknown": [999]}
    assert patch(client, **{**body, "note": ""}).json()["unchanged"] == 2  # idempotent
    [_, _, second, first] = client.get("/findings/events").json()["findings"]
    assert (first["status"], second["assignee"]) == ("benign", "oscar")
    assert first["closed_at"]
    assert patch(client, ids=[pks[0]], assignee="", status="new").json()["changed"] == [pks[0]]
    assert {one.client_id != "" for one in TriageEntry.objects.all()} == {True}
    [reopened] = client.get("/findings/events?status=new&assigned=no").json()["findings"][2:]
    assert (reopened["id"], reopened["closed_at"]) == (pks[0], None)


@pytest.mark.one_database  # refused requests
@licensed
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ids": ["1"]}, "/ids/0"),
        ({"ids": [0]}, "/ids/0"),
        ({"ids": [2**63]}, "/ids/0"),
        ({"ids": [1] * 1001}, "/ids"),
        ({}, "/ids"),
        ({"ids": [], "status": "open"}, "/status"),
        ({"ids": [], "assignee": "vera"}, "/assignee"),
        ({"ids": [], "assignee": "\0"}, "/assignee"),
        ({"ids": [], "note": "\0"}, "/note"),
        ({"ids": [], "comment": "x"}, "/comment"),
    ],
)
def test_a_wrong_change_is_refused(
    operator_client: Client, viewer: User, body: dict[str, Any], pointer: str
) -> None:
    problem = assert_problem(patch(operator_client, **body), 422, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


FILTERS = {
    "status=new": [3],
    "status=in_progress": [2],
    "status=open": [3, 2],
    "status=closed": [4, 1],
    "status=benign": [4],
    "assignee=oscar": [2, 1],
    "assignee=nobody": [],
    "assigned=yes": [2, 1],
    "assigned=no&status=open": [3],
}


def test_the_lists_filter_by_triage(viewer_client: Client, operator: User, pks: list[int]) -> None:
    one, two, _, four = (Finding.objects.filter(pk=pk) for pk in pks)
    one.update(status="true_positive", closed_at=NOON, assignee=operator)
    two.update(status="in_progress", assignee=operator)
    four.update(status="benign", closed_at=NOON)
    assert {query: numbers(viewer_client, f"?{query}") for query in FILTERS} == FILTERS
    told = {
        query: [
            pks.index(one["id"]) + 1
            for one in viewer_client.get(f"/findings/events?{query}").json()["findings"]
        ]
        for query in FILTERS
    }
    assert told == FILTERS


def test_a_closed_finding_that_is_seen_again_stays_closed_and_says_so(
    viewer_client: Client, pks: list[int]
) -> None:
    Finding.objects.filter(pk=pks[0]).update(status="benign", closed_at=NOON)
    again = {"count": 2, "eventLastSeen": "2026-11-24T00:00:00Z"}
    arrive(finding(1, service=again, title="Number 1."))
    assert Finding.objects.get(pk=pks[0]).status == Status.BENIGN
    page = viewer_client.get("/events?status=closed").content.decode()
    assert "Seen since closed" in page
