"""The clock floor: a clock that is set back revives no license."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from conftest import install
from license import clock, installation, notices, status, token
from license.clock import Memory, Source
from license.models import License, SeenTime
from license.reasons import LicenseExpired
from license.status import Kind
from license.tests import keys
from license.tests.keys import make_license

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = BEGIN + timedelta(days=30)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _a_license() -> None:
    install(make_license(jti="first", not_before=BEGIN, days=30))


def saw(source: Source, at: datetime) -> None:
    """As a process that has just started sees and stores it."""
    process = Memory()
    process.note(source, at)
    process.store()


def test_a_clock_47_hours_behind_is_believed_and_one_49_hours_behind_is_not() -> None:
    saw(Source.AWS, END)
    near, far = status.current(END - 47 * HOUR), status.current(END - 49 * HOUR)
    assert (near.kind, near.clock_note) == (Kind.EXPIRING_SOON, "")
    assert (far.kind, far.allows_writes, far.now) == (Kind.EXPIRED, False, END)
    assert far.clock_note == (
        "The clock of this server shows 2026-01-28T23:00:00Z, but 2026-01-31T00:00:00Z has been"
        " seen before, so the license is judged at that time. Correct the clock."
    )


def test_a_key_that_expired_a_second_ago_stays_expired_with_the_clock_three_days_back(
    administrator: User, caplog: pytest.LogCaptureFixture
) -> None:
    saw(Source.SQS, END + SECOND)
    cache.clear()
    with time_machine.travel(END - timedelta(days=3), tick=False):
        client = Client()
        client.force_login(administrator)
        page = client.get("/license").content.decode()
        document = client.get("/license/status").json()
        refused = client.put("/findings", "{}", content_type="application/json")
        out = io.StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("license", stdout=out)
        notices.tell(timezone.now())
        with pytest.raises(LicenseExpired):  # nor does pasting the key again
            installation.install(
                License.objects.get().key,
                by=None,
                source=License.Source.COMMAND,
                at=timezone.now(),
            )
    why = "The clock of this server shows 2026-01-28T00:00:00Z, but 2026-01-31T00:00:01Z has been"
    assert why in page
    assert "The clock of the server is wrong." in page
    assert (document["status"], document["allows_writes"]) == ("expired", False)
    assert document["judged_at"] == "2026-01-31T00:00:01Z"
    assert why in document["clock_note"]
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("license-expired")
    assert why in refused.json()["detail"]
    assert ended.value.code == 2
    assert why in out.getvalue()
    assert why in caplog.text


@pytest.mark.one_database  # pages
def test_the_clock_is_told_on_pages_while_the_license_is_valid_too(
    administrator: User, viewer_client: Client
) -> None:
    saw(Source.AWS, BEGIN + timedelta(days=5))
    with time_machine.travel(BEGIN, tick=False):
        client = Client()
        client.force_login(administrator)
        assert "The clock of the server is wrong." in client.get("/threats").content.decode()
        assert "Correct the clock." in client.get("/license").content.decode()


def test_no_earlier_time_lowers_the_floor_and_a_restart_keeps_it() -> None:
    saw(Source.AWS, END)
    saw(Source.AWS, BEGIN)
    saw(Source.SQS, BEGIN)
    assert clock.seen()[Source.AWS] == END
    assert not status.current(BEGIN).allows_writes


def test_the_vendor_vouches_with_installed_keys_and_revocation_lists(settings: Settings) -> None:
    later = END + timedelta(days=1)
    assert status.current(BEGIN).allows_writes
    listed = token.issue_revocations(
        signing_key=keys.vendor_key(), seq=1, issued_at=later, revoked=[]
    )
    settings.LICENSE_REVOCATIONS_PATH.write_text(listed)
    assert status.current(BEGIN).now == later
    assert not status.current(BEGIN).allows_writes

    install(make_license(jti="renewal", not_before=later + HOUR, issued_at=later + HOUR, days=9))
    assert status.current(BEGIN).now == later + HOUR
    assert status.current(BEGIN).allows_writes


def test_a_key_of_another_signer_vouches_for_nothing() -> None:
    far = BEGIN.replace(year=2099)
    install(make_license(signing_key=keys.other_key(), not_before=far, issued_at=far))
    assert status.current(BEGIN + HOUR).allows_writes


def test_time_goes_on_while_a_process_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    process = Memory()
    process.vouch(BEGIN)
    process.store()
    now.seconds += 31 * 24 * 60 * 60
    process.store()
    assert clock.seen() == {Source.RUNNING: BEGIN + timedelta(days=31)}
    assert status.current(BEGIN).kind is Kind.EXPIRED

    now.seconds = 5  # the machine has restarted
    another = Memory()
    another.store()
    now.seconds += 24 * 60 * 60
    another.store()
    assert clock.seen() == {Source.RUNNING: BEGIN + timedelta(days=32)}


def test_a_write_moves_the_floor_at_most_once_an_hour_and_reads_do_not(
    administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: now.seconds))

    def written(at: datetime) -> tuple[datetime | None, datetime | None]:
        with time_machine.travel(at, tick=False):
            client = Client()
            client.force_login(administrator)
            client.get("/threats")
            before = clock.seen().get(Source.WRITE)
            body = {"policies": [{"finding_type": "Recon:EC2/Portscan", "action": "BLOCK"}]}
            answer = client.put("/findings", json.dumps(body), content_type="application/json")
            assert answer.status_code == 200, answer.content
        return before, clock.seen().get(Source.WRITE)

    first = BEGIN + HOUR
    assert written(first) == (None, first)
    assert written(first + 2 * SECOND) == (first, first)
    now.seconds += 60 * 60
    assert written(first + HOUR) == (first, first + HOUR)


def test_a_write_by_a_wrong_clock_ends_no_license_and_aws_corrects_it() -> None:
    ahead = END - timedelta(days=1)  # later, no license would be in force, and nothing is written
    saw(Source.WRITE, ahead)
    assert status.current(BEGIN + HOUR).allows_writes
    assert status.current(BEGIN + HOUR).clock_note
    saw(Source.AWS, BEGIN + HOUR)
    assert clock.seen()[Source.WRITE] == BEGIN + HOUR
    assert not status.current(BEGIN + HOUR).clock_note


def test_aws_corrects_a_clock_of_the_machine_that_jumped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    process = Memory()
    process.note(Source.AWS, BEGIN)
    now.seconds += 40 * 24 * 60 * 60  # such as by a container that was moved to another host
    process.store()
    assert status.current(BEGIN + HOUR).kind is Kind.EXPIRED
    process.note(Source.AWS, BEGIN + HOUR)
    now.seconds += 60 * 60
    process.store()
    assert clock.seen()[Source.RUNNING] == BEGIN + 2 * HOUR
    assert status.current(BEGIN + HOUR).allows_writes


def test_an_old_answer_of_aws_corrects_nothing() -> None:
    saw(Source.AWS, BEGIN + timedelta(days=9))
    saw(Source.WRITE, BEGIN + timedelta(days=10))
    saw(Source.AWS, BEGIN)
    assert clock.seen()[Source.WRITE] == BEGIN + timedelta(days=10)


def test_a_stored_time_that_is_wrong_refuses_writes_and_can_be_deleted(
    administrator: User,
) -> None:
    SeenTime.objects.create(source=Source.SQS, seconds=10**17)  # no calendar has it
    SeenTime.objects.create(source="later", seconds=0)  # of a later version
    with time_machine.travel(BEGIN + HOUR, tick=False):
        client = Client()
        client.force_login(administrator)
        assert "9999-01-01T00:00:00Z has been seen" in client.get("/license").content.decode()
        refused = client.put("/findings", "{}", content_type="application/json")
        assert refused.status_code == 403
        assert clock.seen()[Source.SQS].year == 9999
        SeenTime.objects.all().delete()
        clock.memory = Memory()  # the process is started again
        assert status.current().allows_writes


def test_a_database_that_stores_no_time_stops_nothing(
    valid_license: License, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE license_seentime RENAME COLUMN source TO origin")
    clock.memory.note(Source.WRITE, timezone.now())
    clock.memory.store()
    assert "The time was not stored." in caplog.text
    assert status.current().allows_writes


def test_nothing_is_stored_before_a_time_was_seen() -> None:
    Memory().store()
    assert not SeenTime.objects.exists()
