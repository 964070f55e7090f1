"""Sessions end when idle, on request, on a password change, and at their maximum age."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import travel

from accounts.models import EventKind, SecurityEvent
from accounts.sessions import ACTIVE
from accounts.tests.browser import PASSWORD, confirm_password, is_signed_in, sign_in
from accounts.tests.test_second_factor import enrol

pytestmark = [
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,
]  # pages and redirects

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
    assert "60 minutes of inactivity" in asked.content.decode()


def test_what_a_page_asks_for_by_itself_is_no_activity(viewer_client: Client) -> None:
    with travel(timezone.now(), tick=False) as clock:
        assert is_signed_in(viewer_client)
        for _ in range(5):
            clock.shift(13 * MINUTE)
            viewer_client.get("/events/newer", headers={"X-Automatic": "true"})
        assert not is_signed_in(viewer_client)


def test_activity_keeps_it_until_twelve_hours_have_passed(viewer: User, client: Client) -> None:
    with travel(timezone.now(), tick=False) as clock:
        sign_in(client, "vera")
        for _ in range(14):
            clock.shift(50 * MINUTE)
            assert is_signed_in(client)
        clock.shift(21 * MINUTE)
        assert not is_signed_in(client)


def test_a_session_from_before_there_was_a_limit_has_ended(viewer_client: Client) -> None:
    session = viewer_client.session
    session.pop(ACTIVE, None)
    session.save()
    assert not is_signed_in(viewer_client)


def test_being_active_does_not_write_with_each_request(viewer: User, viewer_client: Client) -> None:
    with travel(timezone.now(), tick=False) as clock:
        viewer_client.force_login(viewer)
        is_signed_in(viewer_client)
        for seconds, written in [(10, 0), (49, 0), (1, 1), (59, 0)]:
            clock.shift(seconds)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                is_signed_in(viewer_client)
            updates = [q for q in queries if q["sql"].startswith(("UPDATE", "INSERT"))]
            assert len(updates) == 2 * written  # the session, and the list of sessions


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


# --- One's own sessions -------------------------------------------------------------------------

PAGE = "/accounts/sessions/"


def browser(address: str, user_agent: str) -> Client:
    return Client(REMOTE_ADDR=address, headers={"User-Agent": user_agent})


@pytest.fixture
def at_home(viewer: User) -> Client:
    client = browser("192.0.2.1", "Firefox at home")
    sign_in(client, "vera")
    return client


@pytest.fixture
def at_work(at_home: Client) -> Client:
    client = browser("198.51.100.1", "Chrome at work")
    sign_in(client, "vera")
    return client


def listed(client: Client) -> list[tuple[str, str, bool]]:
    sessions = client.get(PAGE).context["sessions"]
    return [(one.user_agent, one.address, one.is_current) for one in sessions]


def end(client: Client, user_agent: str) -> None:
    sessions = client.get(PAGE).context["sessions"]
    (session,) = [one for one in sessions if one.user_agent == user_agent]
    client.post(PAGE, {"session": session.pk})


def ended(user: User) -> list[str]:
    events = SecurityEvent.objects.filter(kind=EventKind.SESSION_ENDED, user=user)
    return list(events.order_by("pk").values_list("detail", flat=True))


def test_a_person_sees_where_they_are_signed_in(at_home: Client, at_work: Client) -> None:
    assert listed(at_work) == [
        ("Chrome at work", "198.51.100.1", True),
        ("Firefox at home", "192.0.2.1", False),
    ]
    assert 'href="/accounts/sessions/"' in at_work.get("/accounts/2fa/").content.decode()


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
         "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
         " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
         " (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        ("curl/8.0", "Unknown browser"),
    ],
)  # fmt: skip
def test_it_names_the_device(viewer: User, user_agent: str, device: str) -> None:
    client = browser("192.0.2.1", user_agent)
    sign_in(client, "vera")
    page = client.get(PAGE).content.decode()
    assert f"<strong>{device}</strong>" in page
    assert user_agent in page


def test_it_tells_since_when_and_when_and_where_last_seen(at_home: Client) -> None:
    with travel(timezone.now(), tick=False) as clock:
        began = timezone.now()
        client = browser("198.51.100.1", "Chrome")
        sign_in(client, "vera")
        clock.shift(10 * MINUTE)
        client.get("/threats", REMOTE_ADDR="198.51.100.7")
        (current, *_) = client.get(PAGE, REMOTE_ADDR="198.51.100.7").context["sessions"]
        assert (current.since - began).total_seconds() <= 1
        assert (current.seen - current.since).total_seconds() == 10 * MINUTE
        assert current.address == "198.51.100.7"


def test_ending_one_takes_effect_at_once(viewer: User, at_home: Client, at_work: Client) -> None:
    third = browser("203.0.113.1", "Safari")
    sign_in(third, "vera")
    end(at_work, "Firefox at home")
    assert [is_signed_in(one) for one in (at_home, at_work, third)] == [False, True, True]
    assert ended(viewer) == ["ended by the user; last used from 192.0.2.1"]
    assert len(listed(at_work)) == 2


def test_all_others_are_ended(viewer: User, at_home: Client, at_work: Client) -> None:
    third = browser("203.0.113.1", "Safari")
    sign_in(third, "vera")
    at_work.post(PAGE)
    assert [is_signed_in(one) for one in (at_home, at_work, third)] == [False, True, False]
    assert len(ended(viewer)) == 2


def test_another_persons_session_is_neither_shown_nor_ended(
    operator: User, at_home: Client
) -> None:
    other = browser("203.0.113.1", "Safari")
    sign_in(other, "oscar")
    assert len(listed(other)) == 1
    (session,) = at_home.get(PAGE).context["sessions"]
    other.post(PAGE, {"session": session.pk})
    for nonsense in ("0", "x", "9" * 40):
        page = other.post(PAGE, {"session": nonsense}).content.decode()
        assert "does not exist or has already ended" in page
    assert is_signed_in(at_home)
    assert is_signed_in(other)


def test_what_is_over_is_not_shown(at_home: Client, viewer: User) -> None:
    with travel(timezone.now() + timedelta(minutes=61)):
        client = browser("198.51.100.1", "Chrome")
        sign_in(client, "vera")
        assert len(listed(client)) == 1


def test_strangers_have_no_list(client: Client) -> None:
    assert client.get(PAGE)["Location"].startswith("/accounts/login/")
    assert client.post(PAGE)["Location"].startswith("/accounts/login/")


def test_deactivating_a_person_ends_their_sessions_for_good(
    viewer: User, at_home: Client, at_work: Client, administrator_client: Client
) -> None:
    path = f"/admin/auth/user/{viewer.pk}/change/"
    form = {"username": viewer.username, "email": viewer.email}
    administrator_client.post(path, form)
    assert not is_signed_in(at_home)
    assert len(ended(viewer)) == 2
    confirm_password(administrator_client)
    administrator_client.post(path, form | {"is_active": "on"})
    viewer.refresh_from_db()
    assert viewer.is_active
    assert not is_signed_in(at_work)


def test_a_changed_password_ends_the_others_and_is_told(
    viewer: User, at_home: Client, at_work: Client
) -> None:
    change_password(at_work, NEW)
    assert [is_signed_in(at_home), is_signed_in(at_work)] == [False, True]
    assert ended(viewer) == ["password changed; last used from 192.0.2.1"]
    assert len(listed(at_work)) == 1


def test_a_password_that_others_change_ends_all(
    viewer: User, at_home: Client, at_work: Client
) -> None:
    viewer.set_password(NEW)
    viewer.save()
    assert [is_signed_in(at_home), is_signed_in(at_work)] == [False, False]
    assert len(ended(viewer)) == 2
