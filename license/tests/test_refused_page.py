"""Tests of the page that a user sees when the license refuses a change."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conftest import install
from license.tests.keys import make_license

pytestmark = pytest.mark.one_database  # pages

ADD = "/admin/auth/user/add/"
TYPED = {
    "username": 'new "hire" <1>',
    "email": "new@example.com",
    "usable_password": "true",
    "password1": "correct horse",
    "password2": "correct horse",
}
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def hidden_fields(page: str) -> dict[str, str]:
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: value.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">")
            for name, value in fields}  # fmt: skip


@pytest.mark.usefixtures("expired_license")
def test_the_refusal_says_why_and_keeps_what_was_typed(superuser_client: Client) -> None:
    response = superuser_client.post(ADD, TYPED, headers=BROWSER)
    page = response.content.decode()
    assert response.status_code == 403
    assert "License expired: change not saved" in page
    assert "The license expired at" in page
    assert '<a href="/license" target="_blank"' in page
    assert hidden_fields(page)["username"] == TYPED["username"]
    assert "correct horse" not in page


@pytest.mark.usefixtures("expired_license")
def test_with_a_license_it_can_be_sent_again(superuser_client: Client) -> None:
    page = superuser_client.post(ADD, TYPED, headers=BROWSER).content.decode()
    install(make_license())
    password = {"password": "correct horse battery staple"}
    superuser_client.post("/accounts/reauthenticate/", password)  # the admin asks for it
    fields = hidden_fields(page) | {"username": "hire", "password1": "a1-b2-c3-d4-e5"}
    action = re.search(r'<form method="post" action="(/admin[^"]+user/add/)"', page)
    assert action
    superuser_client.post(action[1], fields | {"password2": "a1-b2-c3-d4-e5"}, headers=BROWSER)
    assert User.objects.get(username="hire").email == TYPED["email"]


@pytest.mark.usefixtures("expired_license")
def test_a_stranger_gets_the_short_form(groups: None) -> None:
    page = Client().post("/threats", TYPED, headers=BROWSER).content.decode()
    assert "License expired: change not saved" in page
    assert "The license expired at" not in page
    assert "new@example.com" not in page
    assert "Sign in to fix it" in page
