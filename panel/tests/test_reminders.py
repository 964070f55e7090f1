"""`manage.py sendreminders`, day by day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from icalendar import Calendar
from pytest_django.fixtures import Settings
from time_machine import travel

from panel import issuing, term
from panel.models import Customer, IssuedLicense, OutgoingMail, Reminder
from panel.tests.conftest import ACCOUNT, OTHER_ACCOUNT, Buy, start_trial
from tests.at_once import at_once
from tests.test_secrets import traces

pytestmark = pytest.mark.one_database  # dates in Python, and mail

NOW = datetime.fromisoformat("2026-11-23T15:20:11+00:00")


def run(at: datetime, **options: Any) -> list[str]:
    """Sends reminders at that time and returns the subjects."""
    # What told of orders and licenses.
    OutgoingMail.objects.exclude(subject__contains=" ends ").update(sent_at=at)
    before = len(mail.outbox)
    with travel(at, tick=False):
        call_command("sendreminders", **options)
    return [str(sent.subject) for sent in mail.outbox[before:]]


def days_mailed(issued: IssuedLicense, *, first: int = 20, hour: int = 7) -> list[int]:
    """Returns the days before the end on which a daily run at that hour sends mail."""
    last = datetime.combine(term.last_day(issued.expires_at), time(hour, tzinfo=UTC))
    return [day for day in range(first, -4, -1) if run(last - timedelta(days=day))]


@pytest.mark.every_database  # queries
@pytest.mark.parametrize("begins", ["2026-11-23T15:20:11+00:00", "2027-02-28T09:00:00+00:00"])
def test_customers_are_told_14_7_and_1_days_before_and_on_the_day(
    alice: Customer, buy: Buy, begins: str
) -> None:
    issued = buy(alice, at=datetime.fromisoformat(begins))  # the second ends on a leap day
    assert days_mailed(issued) == [14, 7, 1, 0]
    assert [sent.subject.split(" ends ")[1] for sent in mail.outbox] == [
        "in 14 days",
        "in 7 days",
        "tomorrow",
        "today",
    ]


def test_the_last_day_is_not_over_at_noon(alice: Customer, buy: Buy) -> None:
    end = buy(alice, at=NOW).expires_at
    (told,) = run(end + timedelta(hours=3))
    assert told.endswith("today")


@pytest.mark.parametrize("hour", [0, 23])
def test_days_are_counted_by_the_calendar_at_whatever_hour_it_runs(
    alice: Customer, buy: Buy, hour: int
) -> None:
    assert days_mailed(buy(alice, at=NOW), hour=hour) == [14, 7, 1, 0]


def test_the_day_before_the_first_of_march_is_a_leap_day(alice: Customer, buy: Buy) -> None:
    issued = buy(alice, months=1, at=datetime.fromisoformat("2028-01-29T09:00:00+00:00"))
    assert issued.expires_at.isoformat() == "2028-03-01T12:00:00+00:00"
    for day, told in (("16", "in 14 days"), ("23", "in 7 days"), ("28", ""), ("29", "tomorrow")):
        subjects = run(datetime.fromisoformat(f"2028-02-{day}T07:00:00+00:00"))
        assert [subject.split(" ends ")[1] for subject in subjects] == ([told] if told else [])


def test_what_is_over_is_not_told_even_if_no_run_was_in_time(alice: Customer, buy: Buy) -> None:
    assert days_mailed(buy(alice, at=NOW), first=-1) == []


@pytest.mark.every_database  # a constraint
def test_run_again_it_mails_nobody_twice(alice: Customer, buy: Buy) -> None:
    at = buy(alice, at=NOW).expires_at - timedelta(days=7)
    assert len(run(at)) == 1
    assert run(at) == run(at + timedelta(hours=3)) == []


def test_of_runs_that_were_missed_the_last_reminder_alone_is_made_up_for(
    alice: Customer, buy: Buy
) -> None:
    issued = buy(alice, at=NOW)
    assert days_mailed(issued, first=5) == [5, 1, 0]
    assert mail.outbox[0].subject.endswith("in 5 days")


def test_a_fresh_trial_is_not_reminded_of_what_was_just_read(alice: Customer) -> None:
    trial = start_trial(alice, at=NOW)
    assert trial.expires_at.isoformat() == "2026-12-08T00:00:00+00:00"
    assert days_mailed(trial) == [7, 1, 0]
    assert "for AWS account 210987654321 ends today" in str(mail.outbox[-1].subject)


def renew(alice: Customer, issued: IssuedLicense, buy: Buy) -> None:
    buy(alice, at=issued.issued_at)


def replace(alice: Customer, issued: IssuedLicense, buy: Buy) -> None:
    by = alice.user
    issuing.replace(issued, by=by, why="x", at=issued.issued_at, account_id=OTHER_ACCOUNT)


def revoke(alice: Customer, issued: IssuedLicense, buy: Buy) -> None:
    issuing.revoke(issued, by=alice.user, why="x", at=issued.issued_at)


@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(renew, marks=pytest.mark.every_database),  # queries
        replace,
        pytest.param(revoke, marks=pytest.mark.every_database),
    ],
)
def test_what_ends_nothing_is_not_told(
    alice: Customer, buy: Buy, verb: Callable[[Customer, IssuedLicense, Buy], None]
) -> None:
    issued = buy(alice, months=1, at=NOW)
    verb(alice, issued, buy)
    for days in (14, 7, 1, 0):
        run(issued.expires_at - timedelta(days=days))
    assert not Reminder.objects.filter(license=issued).exists()


def test_an_upgraded_trial_ends_nothing(alice: Customer, buy: Buy) -> None:
    trial = start_trial(alice, at=NOW)
    buy(alice, at=NOW + timedelta(days=2))
    assert days_mailed(trial) == []


def test_another_customers_license_takes_over_from_nothing(
    alice: Customer, bob: Customer, buy: Buy
) -> None:
    issued = buy(alice, months=1, at=NOW)
    buy(bob, at=NOW)
    assert days_mailed(issued) == [14, 7, 1, 0]


def test_a_license_for_another_account_takes_over_from_nothing(alice: Customer, buy: Buy) -> None:
    issued = buy(alice, months=1, at=NOW)
    buy(alice, account=OTHER_ACCOUNT, at=NOW)
    assert days_mailed(issued) == [14, 7, 1, 0]


def test_nor_does_a_renewal_that_was_revoked_or_one_that_begins_later(
    alice: Customer, buy: Buy
) -> None:
    issued, renewal, later = (buy(alice, months=1, at=NOW) for _ in range(3))
    issuing.revoke(renewal, by=alice.user, why="x", at=NOW)
    assert later.not_before > issued.expires_at
    assert days_mailed(issued) == [14, 7, 1, 0]


def test_a_reminder_renews_with_one_click_and_enters_a_calendar(
    alice: Customer, buy: Buy, capsys: pytest.CaptureFixture[str]
) -> None:
    issued = buy(alice, at=NOW)
    run(issued.expires_at - timedelta(days=7))
    (sent,) = mail.outbox
    assert sent.to == ["alice@example.com"]
    link = f"http://testserver/panel/request-license?account_id={ACCOUNT}&plan=paid"
    assert link in sent.body
    printed = capsys.readouterr().out
    assert f"Reminded alice@example.com: {issued.jti}" in printed
    assert traces(issued.key, f"{sent.subject} {sent.body} {printed}") == []
    (entry,) = sent.attachments
    event: Any
    (event,) = Calendar.from_ical(entry.content).walk("VEVENT")
    assert event["DTSTART"].dt == issued.expires_at
    (alarm,) = event.walk("VALARM")
    assert alarm["TRIGGER"].dt == timedelta(days=-7)
    assert link in event["DESCRIPTION"]


def test_what_could_not_be_mailed_is_sent_by_the_next_run(
    alice: Customer,
    bob: Customer,
    buy: Buy,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    issued = buy(alice, at=NOW)
    buy(bob, at=NOW)
    at = issued.expires_at - timedelta(days=7)
    working, settings.EMAIL_BACKEND = (
        settings.EMAIL_BACKEND,
        "django.core.mail.backends.smtp.EmailBackend",
    )
    settings.EMAIL_PORT = 1  # nobody listens
    with pytest.raises(CommandError, match="2 mails could not be sent"):
        run(at)
    assert traces(issued.key, capsys.readouterr().err) == []
    settings.EMAIL_BACKEND = working
    assert len(run(at)) == 2


def test_a_dry_run_names_who_is_due_and_mails_nobody(
    alice: Customer, buy: Buy, capsys: pytest.CaptureFixture[str]
) -> None:
    issued = buy(alice, at=NOW)
    at = issued.expires_at - timedelta(days=7)
    assert run(at, dry_run=True) == []
    printed = capsys.readouterr().out
    assert f"Would remind alice@example.com: {issued.jti}" in printed
    assert traces(issued.key, printed) == []
    assert len(run(at)) == 1


@pytest.mark.every_database  # two at once
@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_mail_once(alice: Customer, buy: Buy) -> None:
    at = buy(alice, at=NOW).expires_at - timedelta(days=7)
    with travel(at, tick=False):
        at_once(*[lambda: call_command("sendreminders")] * 2)
    assert len([sent for sent in mail.outbox if " ends " in str(sent.subject)]) == 1
