"""Tests every route with every method, with and without a valid license, for three callers. Only
HEAD, OPTIONS and TRACE are spread over the callers.

`license/tests/test_middleware.py` tests the response for each reason to reject a license.
"""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from itertools import product

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import resolve

from conftest import install
from license import routes
from license.tests.keys import make_license
from license.tests.test_middleware import STATES
from license.tests.test_routes import concrete, refused_by_license
from tests.undone import undone

# Some 5,000 requests, of which the gate answers most without the database.
pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
HELP = '</license>; rel="help"'  # what each refusal by the license carries
CALLERS = ("stranger", "operator", "superuser")


def valid() -> None:
    install(make_license())


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest) -> Callable[[], Client]:
    """Return a client that has just signed in, because some routes sign out."""
    client = Client(raise_request_exception=False)
    user: User | None = None
    if request.param != "stranger":
        user = request.getfixturevalue(request.param)
    session = ""

    def cookie() -> str:
        # To read the session itself takes a tenth of the time of a request.
        return client.cookies[settings.SESSION_COOKIE_NAME].value

    def signed_in() -> Client:
        nonlocal session
        if user and (not session or cookie() != session):
            client.force_login(user)
            session = cookie()
        return client

    return signed_in


@pytest.mark.parametrize(
    ("caller", "code"),
    [*((caller, "license_expired") for caller in CALLERS), ("superuser", "")],
    indirect=["caller"],
)
def test_a_write_is_refused_by_the_reason_unless_its_view_is_listed(
    caller: Callable[[], Client], code: str
) -> None:
    STATES.get(code, valid)()
    wrong = []
    for path in sorted({concrete(route) for route in routes.all_routes()}):
        listed = resolve(path).view_name in settings.LICENSE_EXEMPT_VIEWS
        for method in UNSAFE:
            told = refused_by_license(caller(), method, path)
            if told != ("" if listed else code):
                wrong.append((method, path, told))
    assert wrong == []


def test_reading_is_never_refused_by_the_license(
    caller: Callable[[], Client], request: pytest.FixtureRequest
) -> None:
    STATES["license_expired"]()
    this = CALLERS.index(request.node.callspec.params["caller"])
    paths = sorted({concrete(route) for route in routes.all_routes()})
    refused = [
        (method, path)
        for turn, (path, method) in enumerate(product(paths, SAFE))
        # Each caller reads each path. The callers take turns with the other methods.
        if method == "GET" or turn % len(CALLERS) == this
        if caller().generic(method, path).headers.get("Link") == HELP  # HEAD has no body to read
    ]
    assert refused == []


@pytest.mark.parametrize("method", [*UNSAFE, *SAFE])
def test_what_leads_nowhere_is_not_found(caller: Callable[[], Client], method: str) -> None:
    assert caller().generic(method, "/nowhere/at/all").status_code == 404


def test_every_route_is_reached_by_the_walk() -> None:
    missed = [
        (route.path, route.view_name)
        for route in routes.all_routes()
        if resolve(concrete(route)).view_name != route.view_name
    ]
    assert missed == []


def test_checkgate_prints_what_happens(superuser_client: Client) -> None:
    printed = StringIO()
    call_command("checkgate", stdout=printed)
    table = [line.split("\t") for line in printed.getvalue().splitlines()]
    happens = []
    for route in routes.all_routes():
        with undone(superuser_client):
            refused = refused_by_license(superuser_client, "POST", concrete(route))
        preview = f"exempt by {route.view_name}"
        if route.where:
            assert refused  # as far as an empty form goes
            preview += f" where {route.where}"
        elif refused:
            preview = "gated"
        happens.append([route.path, route.view_name, ",".join(route.methods) or "-", preview])
    assert table == happens
    assert {row[3] for row in table if row[3] != "gated"} == {
        *(f"exempt by {name}" for name in settings.LICENSE_EXEMPT_VIEWS),
        *(
            f"exempt by {name} where {where}"
            for name, where in settings.LICENSE_EXEMPT_WHERE.items()
        ),
    }
