from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from accounts.tests.browser import PASSWORD, is_signed_in, sign_in

pytestmark = pytest.mark.usefixtures("valid_license")

NEW = "an entirely different sentence"


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


def test_a_reset_by_mail_leads_to_a_new_password(viewer: User, client: Client) -> None:
    client.post("/accounts/password/reset/", {"email": "vera@example.com"})
    (message,) = mail.outbox
    link = re.search(r"https?://testserver(\S+)", str(message.body))
    assert link
    form = client.get(link[1], follow=True)
    path = form.redirect_chain[-1][0]
    client.post(path, {"password1": NEW, "password2": NEW})
    sign_in(client, "vera", NEW)
    assert is_signed_in(client)


def test_a_reset_tells_nobody_who_has_an_account(viewer: User, client: Client) -> None:
    known = client.post("/accounts/password/reset/", {"email": "vera@example.com"}, follow=True)
    unknown = client.post("/accounts/password/reset/", {"email": "no@example.com"}, follow=True)
    assert known.redirect_chain == unknown.redirect_chain
    assert known.content == unknown.content
    assert [message.to for message in mail.outbox] == [["vera@example.com"]]


def test_the_admin_changes_passwords_on_the_same_page(viewer_client: Client) -> None:
    answer = viewer_client.get("/admin/password_change/")
    assert answer["Location"] == "/accounts/password/change/"
