"""Each security event is stored and logged as a JSON line, without secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import travel

from accounts.models import EventKind, SecurityEvent
from accounts.tests.browser import PASSWORD, confirm_password, sign_in, totp
from accounts.tests.test_oauth_token import make_client, obtain
from accounts.tests.test_second_factor import enrol
from storage.append_only import AppendOnlyError

NEW = "three-small-green-frogs"
WRONG = "not the password"

pytestmark = [
    pytest.mark.django_db(transaction=True),  # some are told once it is committed
    pytest.mark.one_database,  # what is told
]


@pytest.fixture
def browser() -> Client:
    return Client(REMOTE_ADDR="192.0.2.9", headers={"User-Agent": "Firefox"})


def signs_in(browser: Client, user: User) -> None:
    sign_in(browser, user.username)


def fails_to_sign_in(browser: Client, user: User) -> None:
    sign_in(browser, user.email, WRONG)


def is_slowed_down(browser: Client, user: User) -> None:
    for _ in range(6):
        sign_in(browser, user.username, WRONG)


def signs_out(browser: Client, user: User) -> None:
    browser.force_login(user)
    browser.post("/accounts/logout/")


def stays_away(browser: Client, user: User) -> None:
    sign_in(browser, user.username)
    with travel(timezone.now() + timedelta(hours=2)):
        browser.get("/threats")


def changes_the_password(browser: Client, user: User) -> None:
    browser.force_login(user)
    sent = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    browser.post("/accounts/password/change/", sent)


def enrolls(browser: Client, user: User) -> None:
    browser.force_login(user)
    enrol(browser)


def removes_the_factor(browser: Client, user: User) -> None:
    enrolls(browser, user)
    browser.post("/accounts/2fa/totp/deactivate/")


def uses_the_factor(browser: Client, user: User) -> None:
    browser.force_login(user)
    secret = enrol(browser)
    browser.post("/accounts/logout/")
    sign_in(browser, user.username)
    with travel(timezone.now() + timedelta(seconds=31)):
        browser.post("/accounts/2fa/authenticate/", {"code": totp(secret)})


def fails_the_second_factor(browser: Client, user: User) -> None:
    enrolls(browser, user)
    browser.post("/accounts/logout/")
    sign_in(browser, user.username)
    browser.post("/accounts/2fa/authenticate/", {"code": "000000"})


CAUSES: dict[EventKind, Callable[[Client, User], None]] = {
    EventKind.SIGNED_IN: signs_in,
    EventKind.SIGN_IN_FAILED: fails_to_sign_in,
    EventKind.THROTTLED: is_slowed_down,
    EventKind.SECOND_FACTOR_USED: uses_the_factor,
    EventKind.RECOVERY_CODES_MADE: enrolls,
    EventKind.SECOND_FACTOR_FAILED: fails_the_second_factor,
    EventKind.SIGNED_OUT: signs_out,
    EventKind.SESSION_ENDED: stays_away,
    EventKind.PASSWORD_CHANGED: changes_the_password,
    EventKind.SECOND_FACTOR_ADDED: enrolls,
    EventKind.SECOND_FACTOR_REMOVED: removes_the_factor,
}


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        json.loads(one.message) for one in caplog.records if one.name == "threatreaction.security"
    ]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(caplog.handler, "level", 0)
    logger = logging.getLogger("threatreaction.security")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("kind", CAUSES)
def test_what_a_person_does_is_told(
    kind: EventKind, browser: Client, viewer: User, log: Any
) -> None:
    CAUSES[kind](browser, viewer)
    event = SecurityEvent.objects.filter(kind=kind).newest_first().first()
    assert event
    assert (event.address, event.user_agent) == ("192.0.2.9", "Firefox")
    assert event.user == viewer
    told = [line for line in lines(log) if line["event"] == kind]
    assert told
    assert told[-1]["address"] == "192.0.2.9"
    everything = json.dumps(lines(log)) + str(list(SecurityEvent.objects.values_list()))
    for secret in (PASSWORD, NEW, WRONG, "000000", browser.session.session_key or "no session"):
        assert secret not in everything


@pytest.mark.usefixtures("valid_license", "groups")
def test_what_a_program_does_is_told(browser: Client, log: Any) -> None:
    client_id, secret = make_client("findings:read")
    token = obtain(browser, client_id, secret).json()["access_token"]
    obtain(browser, client_id, "wrong secret")
    revoked = {"token": token, "client_id": client_id, "client_secret": secret}
    browser.post("/oauth/revoke", revoked)
    browser.get("/findings", headers={"Authorization": f"Bearer {token}"})
    program = OAuthClient.objects.get()
    program.set_scopes(["findings:read", "findings:write"])
    program.save()
    program.delete()
    events = list(SecurityEvent.objects.order_by("pk").values_list("kind", "client_id"))
    assert events == [
        ("client_created", client_id),
        ("token_issued", client_id),
        ("client_refused", client_id),
        ("token_revoked", client_id),
        ("token_refused", ""),  # of a token that is unknown, nobody knows whose it was
        ("client_changed", client_id),
        ("client_deleted", client_id),
    ]
    assert set(events_of_programs()) == {kind for kind, _ in events}
    everything = json.dumps(lines(log)) + str(list(SecurityEvent.objects.values_list()))
    assert not any(one in everything for one in (secret, token, "wrong secret"))


def events_of_programs() -> list[str]:
    told_elsewhere = {*CAUSES, EventKind.ROLES_CHANGED, EventKind.WRITE_REFUSED}
    return [str(kind) for kind in EventKind if kind not in told_elsewhere]


@pytest.mark.usefixtures("valid_license")
def test_a_recovery_code_and_a_passkey_that_fails_are_told_as_such(
    browser: Client, viewer: User
) -> None:
    browser.force_login(viewer)
    enrol(browser)
    code = browser.get("/accounts/2fa/recovery-codes/").context["unused_codes"][0]
    browser.post("/accounts/logout/")
    sign_in(browser, "vera")
    browser.post("/accounts/2fa/authenticate/", {"credential": '{"id": "forged"}'})
    browser.post("/accounts/2fa/authenticate/", {"code": code})
    events = SecurityEvent.objects.filter(user=viewer, kind__startswith="second_factor")
    told = list(events.order_by("pk").values_list("kind", "method"))
    assert told[-2:] == [
        ("second_factor_failed", "webauthn"),
        ("second_factor_used", "recovery_codes"),
    ]


def test_what_commands_change_is_told(groups: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--no-input", username="root", email="root@example.com")
    monkeypatch.setattr("getpass.getpass", lambda prompt: NEW)
    call_command("changepassword", "root", stdout=StringIO())
    call_command("createapiclient", "pipeline", "--scope", "findings:read", stdout=StringIO())
    events = SecurityEvent.objects.order_by("pk").values_list("kind", "user_name", "detail")
    assert list(events) == [
        ("roles_changed", "root", "created, made superuser"),
        ("password_changed", "root", ""),
        ("client_created", "", "pipeline"),
    ]
    assert set(SecurityEvent.objects.values_list("by_name", "address")) == {("", "")}


@pytest.mark.usefixtures("valid_license")
def test_a_password_that_an_administrator_sets_is_told(
    administrator_client: Client, viewer: User
) -> None:
    confirm_password(administrator_client)
    sent = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    administrator_client.post(f"/admin/auth/user/{viewer.pk}/password/", sent)
    event = SecurityEvent.objects.get(kind=EventKind.PASSWORD_CHANGED)
    assert (event.user, event.by_name) == (viewer, "ada")


def test_a_new_hash_of_the_same_password_is_no_change(
    browser: Client, viewer: User, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    sign_in(browser, "vera")
    viewer.refresh_from_db()
    assert viewer.password.startswith("pbkdf2_sha1")
    assert not SecurityEvent.objects.filter(kind=EventKind.PASSWORD_CHANGED).exists()


@pytest.mark.usefixtures("groups")
def test_a_client_id_that_nobody_has_is_not_kept(browser: Client, log: Any) -> None:
    obtain(browser, "the-secret-by-mistake", "the-id-by-mistake")
    event = SecurityEvent.objects.get(kind=EventKind.CLIENT_REFUSED)
    assert (event.client_id, event.detail) == ("", "invalid_client")
    assert "by-mistake" not in json.dumps(lines(log))


def test_a_program_that_guesses_or_asks_for_too_much_is_told(browser: Client) -> None:
    client_id, secret = make_client("findings:read")
    obtain(browser, client_id, secret, scope="findings:write")
    for _ in range(11):
        obtain(browser, client_id, "wrong")
    events = SecurityEvent.objects.filter(client_id=client_id)
    assert events.get(detail="invalid_scope").kind == EventKind.CLIENT_REFUSED
    assert events.newest_first()[0].kind == EventKind.THROTTLED


@pytest.mark.usefixtures("valid_license")
def test_who_gives_and_takes_roles_is_told(administrator_client: Client, viewer: User) -> None:
    confirm_password(administrator_client)
    operators = Group.objects.get(name="operators")
    sent = {"username": viewer.username, "email": viewer.email, "groups": [operators.pk]}
    administrator_client.post(f"/admin/auth/user/{viewer.pk}/change/", sent)
    events = SecurityEvent.objects.filter(by_name="ada", kind=EventKind.ROLES_CHANGED)
    assert set(events.values_list("user_name", "detail")) == {
        ("vera", "deactivated"),
        ("vera", "removed from viewers"),
        ("vera", "added to operators"),
    }


def test_a_write_that_the_license_refuses_is_told(operator_client: Client, operator: User) -> None:
    operator_client.put("/findings", {"policies": []}, content_type="application/json")
    event = SecurityEvent.objects.get(kind=EventKind.WRITE_REFUSED)
    assert (event.user, event.detail) == (operator, "license_missing: PUT /findings")


def test_a_flood_of_a_stranger_does_not_fill_the_database(client: Client, log: Any) -> None:
    for _ in range(50):
        client.put("/findings", "{}", content_type="application/json")
    assert SecurityEvent.objects.count() == 30
    assert len(lines(log)) == 50


@pytest.mark.every_database  # counts and deletes rows
def test_a_flood_of_a_user_neither_fills_the_database_nor_hides_what_gives_power(
    administrator_client: Client, viewer: User, log: Any
) -> None:
    for _ in range(40):
        administrator_client.put("/findings", "{}", content_type="application/json")
    assert SecurityEvent.objects.filter(kind=EventKind.WRITE_REFUSED).count() == 30
    assert len([line for line in lines(log) if line["event"] == EventKind.WRITE_REFUSED]) == 40
    sent = {"username": viewer.username, "email": viewer.email}
    administrator_client.post(f"/admin/auth/user/{viewer.pk}/change/", sent)
    assert SecurityEvent.objects.filter(user=viewer, detail="deactivated").exists()


def test_a_refused_link_does_not_log_its_key(operator_client: Client, log: Any) -> None:
    operator_client.post("/accounts/confirm-email/MTpzZWNyZXQ:key/")
    event = SecurityEvent.objects.get(kind=EventKind.WRITE_REFUSED)
    assert event.detail == "license_missing: POST /accounts/confirm-email/***/"
    assert "MTpzZWNyZXQ" not in json.dumps(lines(log))


@pytest.mark.usefixtures("groups")
def test_a_name_that_nobody_has_is_not_kept(browser: Client, log: Any) -> None:
    sign_in(browser, "my-password-by-mistake", "x")
    event = SecurityEvent.objects.get(kind=EventKind.SIGN_IN_FAILED)
    assert (event.user, event.user_name) == (None, "")
    assert "by-mistake" not in json.dumps(lines(log))


@pytest.mark.every_database  # triggers
def test_no_row_is_changed_or_deleted(viewer: User) -> None:
    event = SecurityEvent.objects.newest_first()[0]
    for act in (event.save, event.delete, SecurityEvent.objects.all().delete):
        with pytest.raises(AppendOnlyError):
            act()
    with pytest.raises(AppendOnlyError):
        SecurityEvent.objects.update(detail="")


def test_administrators_read_it_and_others_do_not(
    administrator_client: Client, operator_client: Client, client: Client
) -> None:
    assert client.get("/security-log").status_code == 302
    assert operator_client.get("/security-log").status_code == 403
    page = administrator_client.get("/security-log").content.decode()
    assert "Roles changed" in page
    assert "added to administrators" in page
    assert 'href="/security-log"' in administrator_client.get("/license").content.decode()
    assert 'href="/security-log"' not in operator_client.get("/license").content.decode()


@pytest.mark.every_database  # queries
def test_it_is_filtered_and_paged(administrator_client: Client, viewer: User) -> None:
    for number in range(60):
        SecurityEvent.objects.create(
            at=timezone.now(), kind=EventKind.SIGNED_IN, user=viewer, user_name="vera",
            address=f"192.0.2.{number % 2}", detail=f"number {number:02}",
        )  # fmt: skip

    def shown(query: str) -> list[str]:
        context = administrator_client.get(f"/security-log?{query}").context
        return [event.detail for event in context["shown"].rows]

    assert shown("kind=signed_in&who=vera")[0] == "number 59"
    page = administrator_client.get("/security-log?kind=signed_in").context["shown"]
    assert len(page.rows) == 50
    assert shown(page.older.partition("?")[2])[:10] == [
        f"number {number:02}" for number in range(9, -1, -1)
    ]
    assert len(shown("kind=signed_in&address=192.0.2.1")) == 30
    assert shown("until=2020-01-01") == []
    assert len(shown("period=1h")) == 50
    assert len(shown("since=0001-01-01&until=9999-12-31")) == 50
    assert administrator_client.get("/security-log?after=x").status_code == 404
    for bad in ("before=x", "kind=x", "address=x", "since=x", "who=%00"):
        assert administrator_client.get(f"/security-log?{bad}").status_code == 200


def test_programs_read_it_with_their_own_scope(
    program: Callable[[str], Client], viewer: User, operator_client: Client
) -> None:
    assert operator_client.get("/security-events").status_code == 403
    assert program("findings:read").get("/security-events").json()["code"] == "insufficient_scope"


@pytest.mark.every_database  # queries
def test_a_program_reads_page_after_page(program: Callable[[str], Client], viewer: User) -> None:
    for number in range(120):
        SecurityEvent.objects.create(
            at=timezone.now(), kind=EventKind.SIGNED_IN, user=viewer, user_name="vera",
            detail=str(number),
        )  # fmt: skip
    client = program("security:read")
    first = client.get("/security-events", {"event": "signed_in"}).json()
    assert [event["detail"] for event in first["events"]] == [str(n) for n in range(119, 19, -1)]
    rest = client.get("/security-events", {"event": "signed_in", "after": first["next"]}).json()
    assert [event["detail"] for event in rest["events"]] == [str(n) for n in range(19, -1, -1)]
    assert rest["next"] is None
    for user, count in (("vera", 100), ("oscar", 0)):
        found = client.get("/security-events", {"event": "signed_in", "user": user}).json()
        assert len(found["events"]) == count
    assert client.get("/security-events", {"until": "2020-01-01T00:00:00Z"}).json()["events"] == []
    for name, value in [
        ("event", "x"),
        ("user", ""),
        ("user", "\0"),
        ("after", "0"),
        ("since", "2026-01-01T00:00:00"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("until", "9999-12-31T23:59:59-14:00"),
        ("userr", "vera"),
    ]:
        assert client.get("/security-events", {name: value}).status_code == 422, value
    assert client.get("/security-events", {"since": "2100-01-01T00:00:00Z"}).json()["events"] == []
    for beyond in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"):
        assert client.get("/security-events", {"since": beyond}).status_code == 422
