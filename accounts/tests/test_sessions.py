"""Sessions end: after a time without activity, with a changed password, and in any case."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import travel

from accounts.tests.browser import PASSWORD, is_signed_in, sign_in
from accounts.tests.test_second_factor import enrol

pytestmark = pytest.mark.usefixtures("valid_license")

MINUTE = 60
NEW = "three-small-green-frogs"


def change_password(client: Client, new: str) -> None:
    sent = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    client.post("/accounts/password/change/", sent)


def test_a_session_ends_after_an_hour_without_activity(viewer_client: Client) -> None:
    with travel(timezone.now(), tick=False) as clock:
        assert is_signed_in(viewer_client)
        clock.shift(61 * MINUTE)
        asked = viewer_client.get("/threats", follow=True)
    assert asked.redirect_chain[-1][0].startswith("/accounts/login/?next=/threats")
    assert "60 minutes without activity" in asked.content.decode()


def test_activity_keeps_it_until_twelve_hours_have_passed(viewer: User, client: Client) -> None:
    with travel(timezone.now(), tick=False) as clock:
        sign_in(client, "vera")
        for _ in range(14):
            clock.shift(50 * MINUTE)
            assert is_signed_in(client)
        clock.shift(21 * MINUTE)
        assert not is_signed_in(client)


def test_being_active_does_not_write_with_each_request(viewer_client: Client) -> None:
    with travel(timezone.now(), tick=False) as clock:
        is_signed_in(viewer_client)
        for seconds, written in [(10, 0), (49, 0), (1, 1), (59, 0)]:
            clock.shift(seconds)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                is_signed_in(viewer_client)
            updates = [q for q in queries if q["sql"].startswith("UPDATE")]
            assert len(updates) == written


def test_a_changed_password_ends_the_other_sessions(viewer: User, viewer_client: Client) -> None:
    other = Client()
    sign_in(other, "vera")
    change_password(viewer_client, NEW)
    assert is_signed_in(viewer_client)
    assert not is_signed_in(other)


@pytest.mark.parametrize(("new", "taken"), [("elevenchars", False), ("twelve-chars", True)])
def test_a_password_has_twelve_characters(
    viewer: User, viewer_client: Client, new: str, taken: bool
) -> None:
    change_password(viewer_client, new)
    viewer.refresh_from_db()
    assert viewer.check_password(new) is taken


@pytest.mark.django_db(transaction=True)  # the mail goes once it is committed
def test_the_person_is_told_by_mail(viewer: User, client: Client) -> None:
    sign_in(client, "vera")
    enrol(client)
    change_password(client, NEW)
    assert [message.to for message in mail.outbox] == [["vera@example.com"]] * len(mail.outbox)
    subjects = " / ".join(str(message.subject) for message in mail.outbox)
    assert "Authenticator" in subjects
    assert "Password" in subjects
    assert NEW not in "".join(str(message.body) for message in mail.outbox)


def test_a_mail_server_that_is_down_loses_no_change(
    viewer: User, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    sign_in(client, "vera")
    change_password(client, NEW)
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)
    assert "could not be sent" in caplog.text
    assert "vera@" not in caplog.text
