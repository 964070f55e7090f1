from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from findings import policy
from findings.tests.api import assert_problem, put

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,
]  # the document of the API


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    it: dict[str, Any] = answer.json()
    return it


def test_the_document_is_open_to_every_program_and_says_what_it_is(
    document: dict[str, Any],
) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"/findings", "/license/status"} <= document["paths"].keys()


@pytest.mark.parametrize(
    ("method", "operation_id", "statuses"),
    [
        ("get", "getFindings", {"200", "304", "401", "403", "422", "500"}),
        (
            "put",
            "putFindings",
            {"200", "400", "401", "403", "412", "413", "415", "422", "428", "500"},
        ),
    ],
)
def test_an_operation_lists_every_answer_it_gives(
    document: dict[str, Any], method: str, operation_id: str, statuses: set[str]
) -> None:
    operation = document["paths"]["/findings"][method]
    assert operation["operationId"] == operation_id
    assert operation["responses"].keys() == statuses
    assert "ETag" in operation["responses"]["200"]["headers"]


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert response["content"].keys() == {"application/problem+json"}


def test_both_ways_to_sign_in_are_described(document: dict[str, Any]) -> None:
    client = document["components"]["securitySchemes"]["client"]["flows"]["clientCredentials"]
    assert client["tokenUrl"] == "/oauth/token"
    assert client["scopes"].keys() == {
        "findings:read",
        "findings:write",
        "actions:write",
        "buckets:write",
        "notifications:read",
        "notifications:write",
        "findings:triage",
        "license:read",
        "security:read",
    }
    assert document["paths"]["/findings"]["put"]["security"] == [
        {"session": []},
        {"client": ["findings:write"]},
    ]


def test_the_example_of_the_document_works(
    document: dict[str, Any], operator_client: Client
) -> None:
    [example] = document["components"]["schemas"]["PolicyUpdate"]["examples"]
    assert put(operator_client, example).status_code == 200


def test_the_page_describes_every_operation_and_shape(
    document: dict[str, Any], viewer_client: Client
) -> None:
    page = viewer_client.get("/api/docs")
    assert page.status_code == 200
    html = page.content.decode()
    for path, methods in document["paths"].items():
        assert path in html
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in html
    for link in html.split('href="#shape-')[1:]:
        name = link.partition('"')[0]
        assert f'id="shape-{name}"' in html
    assert "<script>" not in html
    assert "style=" not in html


def test_the_page_is_for_those_who_are_signed_in(client: Client) -> None:
    assert client.get("/api/docs").status_code == 302


def test_a_failure_of_ours_tells_nothing_of_the_inside(
    operator_client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("disk password is hunter2")

    monkeypatch.setattr(policy, "set_policies", fail)
    answer = put(operator_client, {"policies": []})
    assert_problem(answer, 500, "internal_error")
    assert b"hunter2" not in answer.content
    assert "hunter2" in caplog.text
