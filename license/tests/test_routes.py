"""Tests of the table of routes. tests/test_gate.py sends requests to each of them."""

from __future__ import annotations

import re

from django.test import Client
from django.urls import resolve
from pytest_django.fixtures import Settings

from license import routes
from license.routes import Route


def concrete(route: Route) -> str:
    """Return a path that matches a route, with "1" for each parameter."""

    def sample(group: re.Match[str]) -> str:
        alternatives = group[1].split("|")
        return alternatives[0] if len(alternatives) > 1 else "1"

    path = re.sub(r"\(\?P<\w+>([^)]*)\)", sample, route.path)
    return re.sub(r"<[^>]*>", "1", path).replace("^", "").replace("$", "")


def refused_by_license(client: Client, method: str, path: str) -> str:
    """Return the problem code of a refusal by the license; "" for other responses."""
    answer = client.generic(method, path)
    if answer.status_code != 403 or answer["Content-Type"] != "application/problem+json":
        return ""
    code = str(answer.json()["code"])
    return code if code.startswith("license_") else ""


def test_the_table_says_what_the_middleware_does(settings: Settings) -> None:
    for route in routes.all_routes():
        name = resolve(concrete(route)).view_name
        where = settings.LICENSE_EXEMPT_WHERE.get(name, "")
        exempt_by = name if where or name in settings.LICENSE_EXEMPT_VIEWS else ""
        assert (route.path, route.exempt_by, route.where) == (route.path, exempt_by, where)


def test_a_new_line_in_the_list_opens_its_view_and_no_other(settings: Settings) -> None:
    settings.LICENSE_EXEMPT_VIEWS, settings.LICENSE_EXEMPT_WHERE = ["findings:changes"], {}
    assert [route.path for route in routes.all_routes() if route.exempt_by] == ["/changes"]
