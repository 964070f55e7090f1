"""GET /actions: the log for programs, at the URL of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from actions.tests.attacks import STOLEN, arrive, attack, set_action, stolen
from findings.models import Entity, Finding

pytestmark = pytest.mark.one_database  # answers over HTTP


def actions(client: Client, query: str = "") -> Any:
    answer = client.get(f"/actions{query}")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("application/json")
    return answer.json()


def test_a_program_reads_what_was_done(program: Callable[[str], Client]) -> None:
    set_action("BLOCK")
    arrive(attack(1, "10.0.0.1"))
    (action,) = actions(program("findings:read"))["actions"]
    assert action.pop("decided_at") == action.pop("settled_at")
    assert action == {
        "id": action["id"],
        "action": "BLOCK",
        "target_kind": "address",
        "target": "10.0.0.1",
        "finding_id": Finding.objects.get().pk,
        "finding_type": "UnauthorizedAccess:EC2/SSHBruteForce",
        "account_id": "123456789012",
        "why": "BLOCK is set for UnauthorizedAccess:EC2/SSHBruteForce.",
        "state": "prevented",
        "outcome": "The address is private or reserved.",
        "due_at": None,
        "ends_at": None,
        "attempts": [],
    }


@pytest.mark.every_database  # queries
def test_the_cursor_leads_through_all_of_it(viewer_client: Client) -> None:
    set_action("BLOCK")
    arrive(*(attack(number) for number in range(60)))
    found, query = [], ""
    while True:
        answer = actions(viewer_client, query)
        found += [action["target"] for action in answer["actions"]]
        if answer["next"] is None:
            break
        query = f"?after={answer['next']}"
    assert found == [f"81.2.0.{number + 1}" for number in reversed(range(60))]


@pytest.mark.every_database  # queries
def test_the_filters_are_those_of_the_page(viewer_client: Client) -> None:
    set_action("BLOCK")
    set_action("REVOKE", finding_type=STOLEN)
    arrive(attack(1), attack(2, "10.0.0.1"), stolen("AKIAIOSFODNN7EXAMPLE", number=3))
    for query, expected in {
        "now=blocked": ["81.2.0.2"],
        "state=prevented": ["10.0.0.1"],
        f"type={STOLEN}&action=REVOKE": ["AKIAIOSFODNN7EXAMPLE"],
        "until=2020-01-01T00:00:00Z": [],
    }.items():
        listed = actions(viewer_client, f"?{query}")["actions"]
        assert [one["target"] for one in listed] == expected


@pytest.mark.every_database  # queries
def test_what_a_rule_simulates_is_not_currently_blocked(
    viewer_client: Client, settings: Settings
) -> None:
    set_action("SIMULATE_BLOCK")
    arrive(attack(1))
    [shown] = actions(viewer_client, "?now=blocked")["actions"]  # all is a dry run
    settings.CONTAINMENT = "on"
    assert actions(viewer_client, "?now=blocked")["actions"] == []
    entity = Entity.objects.get(name=shown["target"])
    page = viewer_client.get(f"/entities/{entity.pk}").content.decode()
    assert "Nothing: it is neither blocked" in page
    set_action("BLOCK", severity="MEDIUM")
    arrive(attack(2, shown["target"], severity=5.0))
    [real] = actions(viewer_client, "?now=blocked")["actions"]
    assert real["state"] == "pending"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("state=odd", "state"),
        ("since=yesterday", "since"),
        ("after=x", "after"),
        ("kind=BLOCK", "kind"),
        ("target=", "target"),
        ("state=done&state=done", "state"),
    ],
)
def test_what_is_wrong_is_told(viewer_client: Client, query: str, parameter: str) -> None:
    answer = viewer_client.get(f"/actions?{query}")
    assert answer.status_code == 422
    assert {error["parameter"] for error in answer.json()["errors"]} == {parameter}


def test_it_needs_the_right_and_the_scope(
    client: Client, stranger_client: Client, program: Callable[[str], Client]
) -> None:
    assert client.get("/actions").status_code == 401
    assert stranger_client.get("/actions").status_code == 403
    assert program("findings:write").get("/actions").status_code == 403
    assert client.get("/actions", headers={"Accept": "text/html"}).status_code == 302


def test_a_program_that_accepts_anything_gets_no_page(program: Callable[[str], Client]) -> None:
    answer = program("findings:read").get("/actions", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer["Content-Type"].startswith("application/json")


def test_one_address_tells_caches_why_it_answers_two_ways(viewer_client: Client) -> None:
    for accept in ("text/html", "application/json"):
        answer = viewer_client.get("/actions", headers={"Accept": accept})
        assert {"Accept", "Authorization"} <= {one.strip() for one in answer["Vary"].split(",")}
