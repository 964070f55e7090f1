"""The revocation list stays within the size that portals read."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from time_machine import travel

from license.tests import keys
from license.token import RevocationList, read_revocations
from panel import issuing
from panel.customers import Refused
from panel.models import Customer, IssuedLicense, Revocation
from panel.publishing import KEPT, MAX_LISTED
from panel.tests.conftest import Buy

pytestmark = pytest.mark.one_database  # a signed list

DAY = timedelta(days=1)


def revoke_many(
    customer: Customer, count: int, *, expires_at: datetime, plan: str = "paid"
) -> None:
    """Creates as many rows as after years of use: one, and copies of it by the database."""
    now = timezone.now()
    first = IssuedLicense.objects.create(
        customer=customer, key="x", jti=str(uuid.uuid4()), aws_account_id="100000000000",
        plan=plan, issued_at=now, not_before=now, expires_at=expires_at,
    )  # fmt: skip
    Revocation.objects.create(license=first, revoked_at=now)
    copied = "customer_id, key, plan, issued_at, not_before, expires_at"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH RECURSIVE numbers (number) AS (
                SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < %s
            )
            INSERT INTO panel_issuedlicense ({copied}, jti, aws_account_id)
            SELECT {copied}, substr(jti, 1, 24) || (100000000000 + number), 100000000000 + number
            FROM panel_issuedlicense, numbers WHERE id = %s AND %s > 1""",  # noqa: S608
            [count - 1, first.pk, count],
        )
        cursor.execute(
            """INSERT INTO panel_revocation (license_id, revoked_at)
            SELECT license.id, revocation.revoked_at
            FROM panel_issuedlicense AS license, panel_revocation AS revocation
            WHERE license.id > %s AND license_id = %s""",
            [first.pk, first.pk],
        )


def published(client: Client) -> RevocationList:
    answer = client.get("/panel/revocations.jwt")
    assert answer.status_code == 200
    return read_revocations(answer.content.decode(), keys.keyring())


@pytest.mark.every_database  # queries
def test_a_license_leaves_the_list_some_time_after_it_has_expired(
    client: Client, alice: Customer, staff: User, buy: Buy
) -> None:
    issued = buy(alice, months=1)
    issuing.revoke(issued, by=staff, why="leaked", at=timezone.now())
    first = published(client)
    assert first.revoked == {issued.jti}
    with travel(issued.expires_at + KEPT - DAY):
        assert published(client).revoked == {issued.jti}
    with travel(issued.expires_at + KEPT + 2 * DAY):
        later = published(client)
    assert (later.revoked, later.seq) == (frozenset(), first.seq)


def test_a_signed_list_is_not_gathered_again_for_each_reader(
    client: Client, alice: Customer, staff: User, buy: Buy
) -> None:
    issuing.revoke(buy(alice, months=1), by=staff, why="leaked", at=timezone.now())
    first = published(client)
    with CaptureQueriesContext(connection) as queries:
        assert published(client) == first
    assert not [query for query in queries if "panel_issuedlicense" in query["sql"]]


def test_many_expired_ones_keep_no_revocation_from_anybody(
    client: Client, alice: Customer, staff: User, buy: Buy, caplog: pytest.LogCaptureFixture
) -> None:
    revoke_many(alice, MAX_LISTED + 5, expires_at=timezone.now() - KEPT - DAY)
    issued = buy(alice)
    issuing.revoke(issued, by=staff, why="leaked", at=timezone.now())
    found = published(client)
    assert (found.revoked, found.seq) == (frozenset({issued.jti}), MAX_LISTED + 7)
    assert "revocation list has" not in caplog.text


@pytest.mark.every_database  # order
def test_too_many_are_an_alarm_and_the_newest_are_listed(
    client: Client, alice: Customer, staff: User, buy: Buy, caplog: pytest.LogCaptureFixture
) -> None:
    revoke_many(alice, MAX_LISTED + 5, expires_at=timezone.now() + DAY)
    issued = buy(alice)
    issuing.revoke(issued, by=staff, why="leaked", at=timezone.now())
    found = published(client)
    assert len(found.revoked) == MAX_LISTED
    assert issued.jti in found.revoked
    alarm = next(one for one in caplog.records if "revocation list has" in one.message)
    assert alarm.levelno == logging.ERROR


def test_the_alarm_comes_at_half_of_what_portals_read(
    client: Client, alice: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    expires_at = timezone.now() + DAY
    revoke_many(alice, MAX_LISTED // 2, expires_at=expires_at)
    assert len(published(client).revoked) == MAX_LISTED // 2
    assert "revocation list has" not in caplog.text
    revoke_many(alice, 1, expires_at=expires_at)
    assert len(published(client).revoked) == MAX_LISTED // 2 + 1
    assert "revocation list has" in caplog.text


def test_trials_push_no_paid_license_out_of_the_list(
    client: Client, alice: Customer, bob: Customer, staff: User, buy: Buy
) -> None:
    """Anyone can sign up, start Trials and replace them."""
    stolen = buy(alice)
    issuing.revoke(stolen, by=staff, why="leaked", at=timezone.now())
    revoke_many(bob, MAX_LISTED + 5, expires_at=timezone.now() + DAY, plan="trial")
    found = published(client)
    assert stolen.jti in found.revoked
    assert len(found.revoked) == MAX_LISTED


def test_a_customer_replaces_a_license_a_few_times_and_staff_as_often_as_needed(
    alice: Customer, staff: User, buy: Buy
) -> None:
    issued = buy(alice)

    def replace(by: User) -> None:
        nonlocal issued
        issued = issuing.replace(issued, by=by, why="lost", at=timezone.now())

    for _ in range(5):
        replace(alice.user)
    with pytest.raises(Refused, match="replaced 5 times in the last 30 days"):
        replace(alice.user)
    assert IssuedLicense.objects.count() == 6
    replace(staff)
    with travel(timezone.now() + timedelta(days=31)):
        replace(alice.user)
