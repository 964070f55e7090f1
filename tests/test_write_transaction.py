"""The license and the caller of a write are checked in the transaction that commits it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Event
from typing import Any, ClassVar

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.db import connection, transaction
from django.test import Client
from pytest_django.fixtures import Settings
from time_machine import travel

from accounts.models import EventKind, SecurityEvent
from accounts.tests.browser import confirm_password, is_signed_in
from accounts.tests.test_demotion import form
from conftest import install
from findings.models import AccountName, PolicyChange, ThreatPolicy
from findings.tests.api import assert_problem
from license import routes, token
from license.models import License
from license.tests import keys
from license.tests.test_routes import concrete
from storage.locks import advisory_lock
from tests.tampering import tamper
from tests.undone import undone

SSH = {"finding_type": "UnauthorizedAccess:EC2/SSHBruteForce", "action": "BLOCK"}
NAME = {"account_id": "123456789012", "name": "production"}
HTML = {"accept": "text/html"}


def put(client: Client) -> Any:
    return client.put("/findings", {"policies": [SSH]}, content_type="application/json")


def name_account(client: Client) -> Any:
    return client.post("/accounts", NAME, headers=HTML)


def add_in_admin(client: Client) -> Any:
    sent = {"service": "", "severity": "", **SSH}
    return client.post("/admin/findings/threatpolicy/add/", sent, headers=HTML)


def nothing_is_written() -> bool:
    tables = (ThreatPolicy, PolicyChange, AccountName)
    return not any(table._default_manager.exists() for table in tables)


WRITES = {"API": put, "page": name_account, "admin": add_in_admin}


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("write", WRITES)
def test_with_a_license_each_of_them_writes(operator_client: Client, write: str) -> None:
    assert WRITES[write](operator_client).status_code in {200, 302}
    assert not nothing_is_written()


class SlowDatabase:
    """Moves the clock past the license expiry when the view writes."""

    def __init__(self) -> None:
        self.clock = travel(keys.now() + timedelta(days=2), tick=False)
        self.is_late = False

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        is_write = sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))
        if is_write and not self.is_late:
            self.is_late = True
            self.clock.start()
        return execute(sql, *rest)


@pytest.mark.parametrize("write", WRITES)
def test_a_license_that_ends_meanwhile_stops_the_write(operator_client: Client, write: str) -> None:
    install(keys.make_license(days=1))
    slow = SlowDatabase()
    try:
        with connection.execute_wrapper(slow):
            answer = WRITES[write](operator_client)
    finally:
        if slow.is_late:
            slow.clock.stop()
    assert slow.is_late
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "The license expired" in page
    assert "is called production now" not in page
    assert nothing_is_written()
    assert SecurityEvent.objects.filter(kind=EventKind.WRITE_REFUSED).count() == 1


def revoke(settings: Settings) -> None:
    claims = token.read(License.objects.get().key, keys.keyring())
    listed = token.issue_revocations(
        signing_key=keys.vendor_key(), seq=1, issued_at=keys.now(), revoked=[claims.jti]
    )
    settings.LICENSE_REVOCATIONS_PATH.write_text(listed)


def distrust(settings: Settings) -> None:
    settings.LICENSE_PUBLIC_KEY_PATH = settings.LICENSE_REVOCATIONS_PATH.with_name("other.pem")
    settings.LICENSE_PUBLIC_KEY_PATH.write_bytes(keys.public_pem(keys.other_key()))


def alter(settings: Settings) -> None:
    forged = keys.make_license(signing_key=keys.other_key())
    tamper("UPDATE license_license SET key = %s", [forged])


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("change", [revoke, distrust, alter])
def test_a_license_that_loses_its_trust_meanwhile_stops_the_write(
    operator_client: Client, settings: Settings, change: Callable[[Settings], None]
) -> None:
    changed: list[str] = []

    def after_the_check(execute: Any, sql: str, *rest: Any) -> Any:
        if "INTO findings_policychange" in sql and not changed:
            changed.append(sql)
            change(settings)
        return execute(sql, *rest)

    with connection.execute_wrapper(after_the_check):
        answer = put(operator_client)
    assert changed
    assert answer.status_code == 403
    assert nothing_is_written()


class LateDatabase:
    """Moves the clock past the license expiry after the middleware has checked the license."""

    def __init__(self) -> None:
        self.clock = travel(keys.now() + timedelta(days=2), tick=False)
        self.is_asked = self.is_late = False

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        if self.is_asked and not self.is_late:
            self.is_late = True
            self.clock.start()
        self.is_asked = self.is_asked or "FROM license_license" in sql
        return execute(sql, *rest)


@pytest.mark.one_database  # many requests, and those above run on both databases
@pytest.mark.parametrize("method", routes.UNSAFE_METHODS)
def test_no_gated_route_commits_after_the_license_has_ended(method: str, superuser: User) -> None:
    install(keys.make_license(days=1))
    client = Client(raise_request_exception=False)
    client.force_login(superuser)
    lets_by, late_ones = [], 0
    for path in sorted({concrete(route) for route in routes.all_routes() if not route.exempt_by}):
        late = LateDatabase()
        try:
            with undone(client), connection.execute_wrapper(late):
                answer = client.generic(method, path)
        finally:
            if late.is_late:
                late.clock.stop()
        late_ones += late.is_late
        if late.is_late and answer.status_code < 400:
            lets_by.append((path, answer.status_code))
    assert lets_by == []
    assert late_ones > 50


def test_a_group_is_not_given_after_the_license_has_ended(
    superuser_client: Client, operator: User
) -> None:
    """With the group added, the submitted form changes nothing."""
    install(keys.make_license(days=1))
    confirm_password(superuser_client)
    slow = SlowDatabase()
    every = [group.pk for group in Group.objects.all()]
    path = f"/admin/auth/user/{operator.pk}/change/"
    try:
        with connection.execute_wrapper(slow):
            answer = superuser_client.post(path, form(operator, groups=every), headers=HTML)
    finally:
        if slow.is_late:
            slow.clock.stop()
    assert slow.is_late
    assert answer.status_code == 403
    assert operator.groups.count() == 1


class EndedSession:
    """Ends all sessions after the request has read its session and before its transaction."""

    def __init__(self) -> None:
        self.is_over = False

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        if '"auth_user"' in sql and not self.is_over:
            self.is_over = True
            Session.objects.all().delete()
        return execute(sql, *rest)


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("write", WRITES)
def test_a_session_that_has_ended_meanwhile_writes_nothing(
    operator_client: Client, write: str
) -> None:
    with connection.execute_wrapper(EndedSession()):
        answer = WRITES[write](operator_client)
    assert answer.status_code in {302, 401, 403}
    assert nothing_is_written()
    assert not is_signed_in(operator_client)


@pytest.mark.usefixtures("valid_license")
def test_an_answer_of_500_has_written_nothing(
    operator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("findings.api._updated", broken)  # it is called after set_policies
    operator_client.raise_request_exception = False
    assert_problem(put(operator_client), 500, "internal_error")
    assert nothing_is_written()


def hold_the_policy(is_held: Event, may_go: Event) -> None:
    """Hold the lock of policy changes: set `is_held`, and release it when `may_go` is set."""
    with transaction.atomic():
        advisory_lock("findings.policy")
        is_held.set()
        assert may_go.wait(30)


def until_waiting(count: int) -> None:
    """Wait until this many transactions wait for locks. On SQLite, they queue for its only lock."""
    deadline = time.monotonic() + 20
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while connection.vendor == "postgresql" and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0] >= count:
                return
        time.sleep(0.01)
    assert connection.vendor != "postgresql", "too few transactions wait"


def delete_clients() -> int:
    """Delete all API clients and return the number of policy changes at that time."""
    OAuthClient.objects.all().delete()
    return PolicyChange.objects.count()


def deactivate_everybody() -> int:
    User.objects.update(is_active=False)
    return PolicyChange.objects.count()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("who", ["program", "person"])
def test_who_is_put_out_writes_nothing_afterwards(who: str, request: pytest.FixtureRequest) -> None:
    """The caller loses access while its write waits."""
    if who == "program":
        client, put_out = request.getfixturevalue("program")("findings:write"), delete_clients
    else:
        client, put_out = request.getfixturevalue("operator_client"), deactivate_everybody
    is_held, may_go = Event(), Event()

    def closing(do: Callable[[], Any]) -> Any:
        try:
            return do()
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        holding = pool.submit(closing, partial(hold_the_policy, is_held, may_go))
        assert is_held.wait(30)
        writing = pool.submit(closing, partial(put, client))
        until_waiting(1)
        putting_out = pool.submit(closing, put_out)
        until_waiting(2)
        may_go.set()
        holding.result()
        written = putting_out.result()
        status = writing.result().status_code
    assert status in {200, 401}
    assert PolicyChange.objects.count() == written == int(status == 200)


class WatchedHasher(MD5PasswordHasher):
    """Notes whether other writers wait while it hashes."""

    seen: ClassVar[list[bool]] = []

    def encode(self, *args: Any, **kwargs: Any) -> str:
        self.seen.append(connection.in_atomic_block)
        return super().encode(*args, **kwargs)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
@pytest.mark.parametrize("path", ["/accounts/login/", "/oauth/token"])
def test_no_writer_waits_while_a_secret_of_a_stranger_is_hashed(
    settings: Settings, client: Client, path: str, scheme: str
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.WatchedHasher"]
    WatchedHasher.seen.clear()
    sent = {"login": "vera", "password": "x", "client_id": "nobody", "client_secret": "x"}
    header = {"Authorization": f"{scheme} {base64.b64encode(b'nobody:x').decode()}"}
    client.post(path, sent | {"grant_type": "client_credentials"}, headers=header)
    assert WatchedHasher.seen
    assert not any(WatchedHasher.seen)


def test_the_check_wants_it_last(settings: Settings) -> None:
    assert not [error for error in run_checks() if error.id == "accounts.E001"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.gzip.GZipMiddleware"]
    assert [error for error in run_checks() if error.id == "accounts.E001"]
