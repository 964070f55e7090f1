"""Helpers for the tests of GET and PUT /findings."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

TYPE = "UnauthorizedAccess:EC2/SSHBruteForce"


def put(client: Client, body: object, **headers: str) -> Any:
    return put_raw(client, json.dumps(body).encode(), **headers)


def put_raw(
    client: Client, body: bytes, content_type: str = "application/json", **headers: str
) -> Any:
    return client.put("/findings", body, content_type=content_type, headers=headers)


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Asserts the common members of a problem document, and returns it."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"].endswith("/problems/" + code.replace("_", "-"))
    assert problem["title"]
    assert problem["detail"]
    return problem


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in assert_problem(answer, 422, "invalid_request")["errors"]]
