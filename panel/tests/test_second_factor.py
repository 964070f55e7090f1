"""Staff need a second factor to sign in, and a recent one to write."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import mail, signing
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import Traveller

from panel import customers, ordering
from panel.models import Act, Customer, Order
from panel.tests.conftest import ACCOUNT, BILLING, approve, browser, start_trial
from panel.tests.signing_in import (
    FACTORS,
    ask_for_code,
    enter,
    is_signed_in,
    mailed_codes,
    set_up_app,
    sign_in,
    totp,
)
from tests.undone import undone

pytestmark = pytest.mark.one_database  # redirects of the middleware

SAM = "sam@vendor.example"
ORDERS = "/panel/admin/panel/order/"
INDEX, SHOW = FACTORS, f"{FACTORS}reauthenticate/"
MINUTE = 60


@pytest.fixture
def order(alice: Customer) -> Order:
    return ordering.place_order(
        alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=timezone.now()
    )


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Returns the lines of the security log."""
    said: list[dict[str, Any]] = []

    class Reader(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(json.loads(record.getMessage()))

    reader = Reader()
    logging.getLogger("panel.security").addHandler(reader)
    yield said
    logging.getLogger("panel.security").removeHandler(reader)


def routes() -> list[tuple[str, bool]]:
    """A path for each route, and whether it is open without sign-in."""

    def walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, bool]]:
        for entry in resolver.url_patterns:
            path = prefix + re.sub(r"\(\?P.*|\^|\$", "", str(entry.pattern))
            if isinstance(entry, URLResolver):
                yield from walk(entry, path)
            elif isinstance(entry, URLPattern):
                path = re.sub("<uuid:[^>]+>", str(uuid.UUID(int=1)), path)
                filled = re.sub("<[^>]+>", "1", path)
                yield filled, not getattr(entry.callback, "login_required", True)

    return list(dict.fromkeys(walk(get_resolver(), "/")))


def test_the_walk_finds_the_routes() -> None:
    found = dict(routes())
    assert found[ORDERS] is found["/panel/licenses"] is found[SHOW] is False
    assert found["/panel/stripe/webhook"] is found["/panel/accounts/login/code/"] is True


def closed() -> list[str]:
    """The paths of all routes that need sign-in."""
    return [path for path, is_open in routes() if not is_open]


def test_with_a_mailed_code_alone_staff_reach_nothing_but_setting_up(
    staff: User, client: Client
) -> None:
    sign_in(client, SAM)
    wrong = []
    for path, method in product(closed(), ("get", "post")):
        with undone(client):
            answer = getattr(client, method)(path)
        if path in {INDEX, f"{FACTORS}totp/activate/", f"{FACTORS}webauthn/add/"}:
            right = answer.status_code in {200, 405}
        elif path in {SHOW, f"{FACTORS}webauthn/reauthenticate/"}:
            right = answer.status_code == 403  # there is none to show
        elif path == "/panel/admin/logout/":
            right = answer.status_code in {200, 302, 405}
        else:
            right = (answer.status_code, answer.headers.get("Location")) == (302, INDEX)
        if not right:
            wrong.append((method, path, answer.status_code))
    assert wrong == []


def test_the_first_sign_in_sets_one_up_and_then_the_admin_opens(db: None, client: Client) -> None:
    call_command("createstaff", SAM)
    sign_in(client, SAM)
    page = client.get("/panel/admin/", follow=True)
    assert "or a passkey to continue" in page.content.decode()
    set_up_app(client)
    codes = client.get(f"{FACTORS}recovery-codes/")
    assert len(codes.context["unused_codes"]) == 10
    assert client.get(ORDERS).status_code == 200
    assert "or a passkey to continue" not in client.get(INDEX).content.decode()


def test_afterwards_a_mailed_code_is_not_enough(staff: User, clock: Traveller) -> None:
    first = Client()
    sign_in(first, SAM)
    secret = set_up_app(first)
    recovery = first.get(f"{FACTORS}recovery-codes/").context["unused_codes"][0]
    clock.shift(MINUTE)
    signed_in = {}
    for code in ("000000", totp(secret), recovery):
        for attempt in (1, 2):
            again = Client()
            assert sign_in(again, SAM)["Location"] == f"{FACTORS}authenticate/"
            assert not is_signed_in(again)
            again.post(f"{FACTORS}authenticate/", {"code": code})
            signed_in[code, attempt] = again.get(ORDERS).status_code == 200
    assert list(signed_in.values()) == [False, False, True, False, True, False]


def test_a_session_from_before_has_to_show_it(staff: User, clock: Traveller) -> None:
    """An attacker who reads Sam's mail signed in first, or Sam was a customer before."""
    old, own = Client(), Client()
    sign_in(old, SAM)
    sign_in(own, SAM)
    secret = set_up_app(own)
    assert old.get(ORDERS)["Location"].startswith(SHOW)
    assert old.get(INDEX)["Location"].startswith(SHOW)
    assert old.get(f"{FACTORS}recovery-codes/")["Location"].startswith(SHOW)
    clock.shift(MINUTE)
    old.post(SHOW, {"code": totp(secret)})
    assert old.get(ORDERS).status_code == 200


def test_a_customer_who_becomes_staff_is_asked_in_the_session_that_they_have(
    alice: Customer, alice_client: Client
) -> None:
    assert alice_client.get("/panel/licenses").status_code == 200
    call_command("createstaff", "alice@example.com")
    assert alice_client.get("/panel/licenses")["Location"] == INDEX


def test_customers_need_none(alice: Customer, client: Client) -> None:
    sign_in(client, "alice@example.com")
    assert client.get("/panel/licenses").status_code == 200
    approve(alice)
    answer = client.post("/panel/request-license?plan=trial", {"account_id": ACCOUNT, "name": ""})
    assert answer.status_code == 302
    assert alice.issuedlicense_set.count() == 1


def with_app(client: Client) -> str:
    sign_in(client, SAM)
    return set_up_app(client)


REASON = {"action": "mark_paid", "confirmed": "yes", "why": "Invoice 2026-117,\r\npaid by wire"}


def test_a_write_shows_it_again_and_loses_nothing_that_was_typed(
    staff: User, client: Client, order: Order, clock: Traveller
) -> None:
    secret = with_app(client)
    clock.shift(11 * MINUTE)
    asked = client.post(f"{ORDERS}?months__exact=12", REASON | {"_selected_action": order.pk})
    assert asked["Location"].startswith(SHOW)
    assert not Act.objects.filter(kind=Act.Kind.PAID).exists()
    page = client.get(asked["Location"])
    form = dict(re.findall(r'<input type="hidden" name="(next)" value="([^"]*)"', page.text))
    assert client.post(SHOW, form | {"code": "000000"}).status_code == 200
    assert client.get(f"{ORDERS}?months__exact=12").status_code == 200  # reading goes on
    assert not Act.objects.filter(kind=Act.Kind.PAID).exists()
    back = client.post(SHOW, form | {"code": totp(secret)})["Location"]
    assert back == client.get(back)["Location"] == f"{ORDERS}?months__exact=12"
    assert f"Done: {order}." in client.get(back).content.decode()
    paid = Act.objects.get(kind=Act.Kind.PAID)
    assert (paid.by, paid.why) == (staff, REASON["why"])
    client.get(f"{ORDERS}?months__exact=12")  # reloading sends nothing again
    assert Act.objects.filter(kind=Act.Kind.PAID).count() == 1


def test_a_held_form_of_the_admin_ends_as_its_button_says(
    staff: User, client: Client, clock: Traveller
) -> None:
    User.objects.filter(pk=staff.pk).update(is_superuser=True)
    secret = with_app(client)
    clock.shift(11 * MINUTE)
    path = "/panel/admin/auth/user/add/"
    sent = {"username": "kim", "usable_password": "false", "_addanother": "1"}
    client.post(path, sent)
    client.post(SHOW, {"code": totp(secret), "next": path})
    assert client.get(path)["Location"] == path
    assert User.objects.filter(username="kim").exists()


def test_a_held_write_waits_for_ten_minutes_at_most(
    staff: User, client: Client, order: Order, clock: Traveller
) -> None:
    secret = with_app(client)
    clock.shift(11 * MINUTE)
    client.post(ORDERS, REASON | {"_selected_action": order.pk})
    clock.shift(11 * MINUTE)
    client.post(SHOW, {"code": totp(secret), "next": ORDERS}, follow=True)
    client.get(ORDERS)
    assert not Act.objects.filter(kind=Act.Kind.PAID).exists()


def test_for_ten_minutes_nothing_is_asked_again(
    staff: User, client: Client, order: Order, clock: Traveller
) -> None:
    with_app(client)
    clock.shift(9 * MINUTE)
    client.post(ORDERS, REASON | {"_selected_action": order.pk})
    assert Act.objects.filter(kind=Act.Kind.PAID).exists()


def test_every_write_of_staff_is_held(staff: User, client: Client, clock: Traveller) -> None:
    """This includes routes that are added later."""
    with_app(client)
    clock.shift(11 * MINUTE)
    passed = []
    for path in closed():
        with undone(client):
            answer = client.post(path)
        if not answer.headers.get("Location", "").startswith(SHOW):
            passed.append(path)
    assert set(passed) <= {SHOW, f"{FACTORS}webauthn/reauthenticate/", "/panel/admin/logout/"}


def test_a_forged_write_is_not_held(staff: User, order: Order, clock: Traveller) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = browser(staff).cookies
    clock.shift(11 * MINUTE)
    forged = client.post(ORDERS, REASON | {"_selected_action": order.pk})
    assert forged.status_code == 403
    assert "held_write" not in client.session


MALFORMED = [
    "",
    "null",
    "[]",
    "{}",
    "1",
    '{"id": 1}',
    '{"rawId": "AA", "response": []}',
    "x",
    "[" * 5000,
]


@pytest.mark.parametrize(
    "path", ["webauthn/login/", "authenticate/", "webauthn/reauthenticate/", "webauthn/add/"]
)
def test_a_malformed_passkey_is_a_wrong_answer(staff: User, path: str, clock: Traveller) -> None:
    client = Client()
    with_app(client)
    if path in {"webauthn/login/", "authenticate/"}:
        client = Client()
        clock.shift(MINUTE)
        sign_in(client, SAM)
    for credential in MALFORMED:
        with undone(client):
            answer = client.post(f"{FACTORS}{path}", {"credential": credential})
            assert answer.status_code in {200, 302, 403}, credential
            assert Authenticator.objects.filter(type="webauthn").count() == 0, credential
            if path in {"webauthn/login/", "authenticate/"}:
                assert not is_signed_in(client), credential


class InTheClear:
    """Reads a session without decrypting it."""

    def dumps(self, data: str) -> bytes:
        return data.encode()

    def loads(self, data: bytes) -> str:
        return data.decode()


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        return json.dumps([row[0] for row in cursor.fetchall()])


def test_secrets_lie_encrypted_and_keys_are_rotated(
    staff: User, client: Client, settings: Settings, clock: Traveller
) -> None:
    settings.ENCRYPTION_KEYS = ["old"]
    secret = with_app(client)
    assert secret not in stored()
    assert stored().count("fernet:") == 2  # the app's secret, and the seed of the recovery codes
    settings.ENCRYPTION_KEYS = ["new", "old"]
    call_command("rotateencryptionkey")
    settings.ENCRYPTION_KEYS = ["new"]
    clock.shift(MINUTE)
    again = Client()
    sign_in(again, SAM)
    again.post(f"{FACTORS}authenticate/", {"code": totp(secret)})
    assert is_signed_in(again)
    settings.ENCRYPTION_KEYS = ["another"]
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("rotateencryptionkey")


def test_a_secret_that_is_being_set_up_lies_encrypted(staff: User, client: Client) -> None:
    sign_in(client, SAM)
    secret = client.get(f"{FACTORS}totp/activate/").context["form"].secret
    assert client.session["mfa.totp.secret"] == secret
    [row] = Session.objects.all()
    salt = f"django.contrib.sessions.{SessionStore.__name__}"
    assert secret not in signing.loads(row.session_data, salt=salt, serializer=InTheClear)


def test_who_has_lost_it_is_reset_and_out_everywhere(staff: User, client: Client) -> None:
    with_app(client)
    with pytest.raises(CommandError, match="No user has"):
        call_command("resetsecondfactor", "nobody@vendor.example")
    call_command("resetsecondfactor", "Sam@vendor.example")
    assert not is_signed_in(client)
    assert not Session.objects.exists()
    again = Client()
    sign_in(again, SAM)
    assert again.get(ORDERS)["Location"] == INDEX


def test_who_turns_it_off_has_to_set_up_another(staff: User, client: Client) -> None:
    with_app(client)
    client.post(f"{FACTORS}totp/deactivate/")
    assert not Authenticator.objects.exists()
    assert client.get(ORDERS)["Location"] == INDEX


@pytest.mark.django_db(transaction=True)  # the mail goes once it is committed
def test_a_changed_factor_is_told_by_mail_and_mail_that_fails_undoes_nothing(
    staff: User, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with_app(client)
    assert "Authenticator" in str(mail.outbox[-1].subject)
    assert mail.outbox[-1].to == [SAM]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    client.post(f"{FACTORS}totp/deactivate/")
    assert not Authenticator.objects.exists()
    (told,) = [one.getMessage() for one in caplog.records if one.name == "panel.adapters"]
    assert "could not be sent" in told
    assert SAM not in told


def test_staff_who_are_away_for_half_an_hour_sign_in_again(
    staff: User, client: Client, clock: Traveller
) -> None:
    with_app(client)
    for _ in range(3):
        clock.shift(29 * MINUTE)
        assert client.get(ORDERS).status_code == 200
    clock.shift(31 * MINUTE)
    ended = client.get(ORDERS, follow=True)
    assert ended.redirect_chain[-1][0].startswith("/panel/accounts/login/code/?next=")
    assert "30 minutes of inactivity" in ended.content.decode()


def test_a_customer_has_two_hours_and_nobody_more_than_eight(
    alice: Customer, client: Client, clock: Traveller
) -> None:
    sign_in(client, "alice@example.com")
    for _ in range(4):
        clock.shift(119 * MINUTE)
        assert client.get("/panel/licenses").status_code == 200
    clock.shift(5 * MINUTE)
    assert client.get("/panel/licenses").status_code == 302
    other = browser(alice.user)
    clock.shift(121 * MINUTE)
    assert other.get("/panel/licenses").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_the_log_tells_of_sign_ins_and_factors_without_a_secret(
    staff: User, clock: Traveller, lines: list[dict[str, Any]]
) -> None:
    client = Client(REMOTE_ADDR="192.0.2.9", headers={"User-Agent": "Firefox"})
    ask_for_code(client, SAM)
    enter(client, "AAAA-AAAA")
    enter(client, mailed_codes()[-1])
    secret = set_up_app(client)
    client.post("/panel/accounts/logout/")
    clock.shift(MINUTE)
    sign_in(client, SAM)
    client.post(f"{FACTORS}authenticate/", {"code": "000000"})
    client.post(f"{FACTORS}authenticate/", {"code": totp(secret)})
    clock.shift(31 * MINUTE)
    client.get(ORDERS)
    call_command("resetsecondfactor", SAM)
    assert [(line["event"], line["method"]) for line in lines] == [
        ("sign_in_failed", "code"),
        ("signed_in", "code"),
        ("second_factor_added", "totp"),
        ("second_factor_added", "recovery_codes"),
        ("signed_out", ""),
        ("second_factor_failed", "totp"),
        ("second_factor_shown", "totp"),
        ("signed_in", "code, totp"),
        ("session_ended", ""),
        ("second_factor_removed", "recovery_codes"),
        ("second_factor_removed", "totp"),
    ]
    assert {line["user"] for line in lines} == {SAM}
    assert {(one["address"], one["user_agent"]) for one in lines[:9]} == {("192.0.2.9", "Firefox")}
    said = json.dumps(lines)
    assert not [code for code in [secret, *mailed_codes()] if code in said]


def test_a_license_of_their_own_is_held_too(staff: User, client: Client, clock: Traveller) -> None:
    """The limit on replacements does not apply to staff."""
    with_app(client)
    issued = start_trial(customers.customer_of(staff))
    clock.shift(11 * MINUTE)
    path = f"/panel/licenses/{issued.jti}/replace"
    assert client.post(path, {"why": "lost"})["Location"].startswith(SHOW)
    assert not Act.objects.filter(kind=Act.Kind.REPLACED).exists()
