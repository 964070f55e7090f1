"""GET never writes, for any route and any caller."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from license import routes
from license.tests.test_routes import concrete

# Sessions and rate limits are no data of the portal's.
ALLOWED = ("django_session", '"cache"')
# Reading these is the end of a sign-in: what comes back from the identity provider.
SIGN_IN = {"openid_connect_callback"}


class Writes:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        is_write = sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))
        if is_write and not any(table in sql for table in ALLOWED):
            self.seen.append(sql)
        return execute(sql, *rest)


@pytest.mark.one_database  # what a route writes does not depend on the database
@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("who", ["stranger", "superuser"])
def test_reading_writes_nothing(who: str, superuser: User) -> None:
    wrote = {}
    for route in routes.all_routes():
        if route.view_name in SIGN_IN:
            continue
        client = Client(raise_request_exception=False)
        if who == "superuser":
            client.force_login(superuser)
        writes = Writes()
        with connection.execute_wrapper(writes):
            client.get(concrete(route))
        if writes.seen:
            wrote[route.path] = writes.seen
    assert wrote == {}
