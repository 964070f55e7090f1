from __future__ import annotations

import re
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.mail.backends import locmem
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts.tests.browser import PASSWORD, is_signed_in, sent_mail, sign_in

pytestmark = [
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,
]  # rules for passwords

NEW = "an entirely different sentence"


class WaitingBackend(locmem.EmailBackend):
    reached, released = Event(), Event()

    def send_messages(self, messages: Any) -> int:
        self.reached.set()
        assert self.released.wait(10)
        return int(super().send_messages(messages))


def change(client: Client, old: str, new: str) -> None:
    data = {"oldpassword": old, "password1": new, "password2": new}
    client.post("/accounts/password/change/", data)


def test_a_person_changes_their_password_and_other_sessions_end(
    viewer: User, viewer_client: Client
) -> None:
    elsewhere = Client()
    sign_in(elsewhere, "vera")
    change(viewer_client, PASSWORD, NEW)
    assert is_signed_in(viewer_client)
    assert not is_signed_in(elsewhere)
    sign_in(elsewhere, "vera", NEW)
    assert is_signed_in(elsewhere)


@pytest.mark.parametrize(("old", "new"), [("not it", NEW), (PASSWORD, "12345678"), (PASSWORD, "a")])
def test_a_bad_change_changes_nothing(
    old: str, new: str, viewer: User, viewer_client: Client
) -> None:
    change(viewer_client, old, new)
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


@pytest.mark.django_db(transaction=True)  # the mail is sent by another thread
def test_a_reset_by_mail_leads_to_a_new_password(viewer: User, client: Client) -> None:
    client.post("/accounts/password/reset/", {"email": "vera@example.com"})
    (message,) = sent_mail()
    link = re.search(r"https?://testserver(\S+)", str(message.body))
    assert link
    form = client.get(link[1], follow=True)
    path = form.redirect_chain[-1][0]
    client.post(path, {"password1": NEW, "password2": NEW})
    sign_in(client, "vera", NEW)
    assert is_signed_in(client)


@pytest.mark.django_db(transaction=True)
def test_a_reset_tells_nobody_who_has_an_account(viewer: User, client: Client) -> None:
    unknown = client.post("/accounts/password/reset/", {"email": "no@example.com"}, follow=True)
    known = client.post("/accounts/password/reset/", {"email": "vera@example.com"}, follow=True)
    assert known.redirect_chain == unknown.redirect_chain
    assert known.content == unknown.content
    assert [message.to for message in sent_mail()] == [["vera@example.com"]]


@pytest.mark.django_db(transaction=True)
def test_the_time_of_a_reset_does_not_tell_it_either(
    viewer: User, client: Client, settings: Settings
) -> None:
    """The response does not wait for the mail server, and no query depends on whether the
    address is known."""
    settings.EMAIL_BACKEND = f"{__name__}.WaitingBackend"
    client.post("/accounts/password/reset/", {"email": ""})  # what a process does once
    queries = []
    for email in ("no@example.com", "vera@example.com"):
        with CaptureQueriesContext(connection) as asked:
            client.post("/accounts/password/reset/", {"email": email})
        queries.append([query["sql"].split(" WHERE ")[0][:60] for query in asked])
    assert WaitingBackend.reached.wait(10)
    assert not WaitingBackend.released.is_set()
    WaitingBackend.released.set()
    assert sent_mail()
    assert len(queries[0]) == len(queries[1])


def test_the_admin_changes_passwords_on_the_same_page(viewer_client: Client) -> None:
    answer = viewer_client.get("/admin/password_change/")
    assert answer["Location"] == "/accounts/password/change/"
