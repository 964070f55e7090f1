from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from accounts.tests.browser import is_signed_in, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # pages and redirects


@pytest.mark.parametrize("login", ["vera", "vera@example.com", "VERA@example.com"])
def test_a_person_signs_in_by_name_or_by_address(login: str, viewer: User, client: Client) -> None:
    assert sign_in(client, login)["Location"] == "/"
    assert is_signed_in(client)


def test_a_user_whose_name_looks_like_an_address_can_sign_in(groups: None, client: Client) -> None:
    User.objects.create_user("vera@corp.example", password="correct horse battery staple")
    sign_in(client, "vera@corp.example")
    assert is_signed_in(client)


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(
    viewer: User, client: Client
) -> None:
    wrong = sign_in(client, "vera", "not it").context["form"].errors
    unknown = sign_in(client, "nobody", "not it").context["form"].errors
    assert wrong == unknown != {}
    assert not is_signed_in(client)


def test_sign_in_leads_to_the_page_that_asked_for_it(viewer: User, client: Client) -> None:
    asked = client.get("/admin/findings/threatpolicy/", follow=True)
    assert asked.redirect_chain[-1][0].startswith("/accounts/login/?next=")
    assert sign_in(client, "vera", next="/changes")["Location"] == "/changes"


def test_sign_in_never_leads_to_another_site(viewer: User, client: Client) -> None:
    assert sign_in(client, "vera", next="https://evil.example/")["Location"] == "/"


HTML = {"Accept": "text/html"}
NOT_KEPT = "Nothing was saved, and your input was not kept."


@pytest.mark.parametrize("path", ["/license", "/license/preview"])
def test_a_form_sent_after_signing_out_elsewhere_is_said_to_be_lost(
    administrator: User, client: Client, path: str
) -> None:
    client.force_login(administrator)
    client.logout()  # in another tab
    headers = {**HTML, "Referer": "http://testserver/license"}
    answer = client.post(path, {"key": "eyJ.eyJ.secret"}, headers=headers, follow=True)
    assert answer.redirect_chain == [("/accounts/login/?next=/license", 302)]
    page = answer.content.decode()
    assert NOT_KEPT in page
    assert "secret" not in page
    assert NOT_KEPT not in client.get("/accounts/login/").content.decode()


@pytest.mark.parametrize("referer", ["https://evil.example/license", "//evil.example", ""])
def test_a_lost_form_of_an_unknown_page_leads_back_to_its_own_address(
    client: Client, referer: str
) -> None:
    answer = client.post("/license", headers={**HTML, "Referer": referer})
    assert answer["Location"] == "/accounts/login/?next=/license"


def test_a_script_that_is_signed_out_leaves_no_message_behind(client: Client) -> None:
    client.post("/license/preview", headers={**HTML, "HX-Request": "true"})
    client.post("/license/preview", {}, "application/json", headers=HTML)
    client.post("/license", headers={"Accept": "application/json"})
    assert NOT_KEPT not in client.get("/accounts/login/").content.decode()


def test_failed_attempts_are_counted_where_every_process_sees_them(
    viewer: User, client: Client
) -> None:
    for _ in range(5):
        sign_in(client, "vera", "not it")
    refused = sign_in(client, "vera")
    assert "Too many failed" in refused.content.decode()
    assert not is_signed_in(client)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM cache WHERE cache_key LIKE '%%login_failed%%'")
        assert cursor.fetchone()[0]


def test_requests_without_end_are_answered_429_in_our_dress(groups: None, client: Client) -> None:
    for number in range(30):
        sign_in(client, f"nobody{number}", "not it")
    answer = sign_in(client, "vera")
    assert answer.status_code == 429
    assert re.search(r"Try again in \d+ seconds?\.", answer.content.decode())
    assert "topbar" in answer.content.decode()


def test_a_user_made_inactive_is_out_at_once(viewer: User, viewer_client: Client) -> None:
    assert is_signed_in(viewer_client)
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert not is_signed_in(viewer_client)
    sign_in(viewer_client, "vera")
    assert not is_signed_in(viewer_client)


def test_signing_out_takes_a_post(viewer_client: Client) -> None:
    viewer_client.get("/accounts/logout/")
    assert is_signed_in(viewer_client)
    assert viewer_client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert not is_signed_in(viewer_client)


@pytest.mark.parametrize("path", ["/accounts/logout/", "/admin/logout/"])
def test_the_browser_forgets_unsaved_changes_at_sign_out_only(
    operator_client: Client, path: str
) -> None:
    assert "Clear-Site-Data" not in operator_client.get("/threats").headers
    assert operator_client.post(path)["Clear-Site-Data"] == '"storage"'
    assert "Clear-Site-Data" not in operator_client.post(path).headers


@pytest.mark.parametrize("next", ["", "/", "/threats"])
def test_a_user_without_a_role_is_told_what_to_ask_for(
    next: str,  # noqa: A002  (the name of the field)
    stranger: User,
    client: Client,
) -> None:
    page = client.get(sign_in(client, "stella", next=next)["Location"])
    assert page.status_code == 200
    assert "Ask an administrator" in page.content.decode()
    assert "stella" in page.content.decode()


def test_the_page_for_people_without_a_role_lets_others_go_on(viewer_client: Client) -> None:
    assert viewer_client.get("/accounts/no-role/")["Location"] == "/"


def test_a_session_ends_with_the_browser(viewer: User, client: Client) -> None:
    assert sign_in(client, "vera").cookies["sessionid"]["max-age"] == ""


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password/reset/"])
def test_pages_for_strangers_hold_no_inline_code(path: str, client: Client) -> None:
    page = client.get(path)
    html = page.content.decode()
    assert "topbar" in html
    assert " style=" not in html
    assert "onclick" not in html
    assert "unsafe" not in page["Content-Security-Policy"]
