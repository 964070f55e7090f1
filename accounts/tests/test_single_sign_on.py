from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.tests import provider
from accounts.tests.browser import confirm_password, is_signed_in
from accounts.tests.provider import Provider
from license.tests.keys import make_license
from license.tests.test_middleware import STATES

pytestmark = pytest.mark.one_database  # exchanges with a provider

LOGIN = "/accounts/oidc/sso/login/"


@cache
def configured(**variables: str) -> dict[str, object]:
    """Returns SOCIALACCOUNT_PROVIDERS of a portal with these variables."""
    script = (
        "import json; from threatreaction import settings;"
        "print(json.dumps(settings.SOCIALACCOUNT_PROVIDERS))"
    )
    environment = {"DOTENV_PATH": "", "SECRET_KEY": "x", "PATH": os.environ["PATH"], **variables}
    done = subprocess.run(  # noqa: S603  (our own interpreter, and no shell)
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def running_provider() -> Iterator[Provider]:
    with provider.running() as running:
        yield running


@pytest.fixture
def idp(settings: Settings, running_provider: Provider) -> Provider:
    settings.SOCIALACCOUNT_PROVIDERS = configured(
        OIDC_SERVER_URL=running_provider.url,
        OIDC_CLIENT_ID="portal",
        OIDC_CLIENT_SECRET="hush",
        OIDC_NAME="Example Corp",
    )
    claims = {"sub": "u-1", "email": "nora@example.com", "preferred_username": "nora"}
    running_provider.start_over(claims)
    return running_provider


def leave(client: Client, url: str = LOGIN) -> str:
    """Returns the URL that single sign-on redirects to."""
    page = client.post(url)
    assert page.status_code == 200
    match = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.content.decode())
    assert match
    return html.unescape(match[1])


def come_back(authorize: str) -> str:
    """Returns the path of the portal that the provider redirects to."""
    back = requests.get(authorize, allow_redirects=False, timeout=5).headers["Location"]
    assert back.startswith(f"http://testserver{LOGIN}callback/")
    return back.removeprefix("http://testserver")


def test_without_the_variables_there_is_no_single_sign_on(client: Client, db: None) -> None:
    assert configured() == {}
    assert "Example Corp" not in client.get("/accounts/login/").content.decode()
    assert client.post(LOGIN).status_code == 404


def test_the_sign_in_page_offers_it(idp: Provider, client: Client, db: None) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert "Sign in with Example Corp" in page
    assert LOGIN in page


def test_a_first_arrival_gets_a_user_without_a_role(idp: Provider, groups: None) -> None:
    client = Client()
    page = client.get(come_back(leave(client)), follow=True)
    nora = User.objects.get()
    assert (nora.username, nora.email) == ("nora", "nora@example.com")
    assert not nora.get_all_permissions()
    assert not nora.has_usable_password()
    assert page.status_code == 200
    assert "You do not have a role yet" in page.content.decode()
    assert is_signed_in(client)


def test_the_next_arrival_is_the_same_user_with_the_role_given_since(
    idp: Provider, groups: None
) -> None:
    first, second = Client(), Client()
    first.get(come_back(leave(first)))
    User.objects.get().groups.add(Group.objects.get(name="viewers"))
    idp.claims["preferred_username"] = "somebody-else"
    answer = second.get(come_back(leave(second)))
    assert answer["Location"] == "/"
    assert User.objects.get().username == "nora"


@pytest.mark.parametrize("state", STATES)
def test_it_works_in_every_state_of_the_license(idp: Provider, groups: None, state: str) -> None:
    STATES[state]()
    client = Client()
    client.get(come_back(leave(client)))
    User.objects.get().groups.add(Group.objects.get(name="administrators"))
    assert client.get("/license").status_code == 200
    client.post("/license", {"key": make_license(days=300)})
    assert client.get("/license/status").json()["allows_writes"]


def test_it_leads_to_the_page_that_asked_for_it(idp: Provider, groups: None) -> None:
    first, second = Client(), Client()
    first.get(come_back(leave(first)))
    User.objects.get().groups.add(Group.objects.get(name="viewers"))
    back = come_back(leave(second, f"{LOGIN}?process=login&next=%2Fchanges"))
    assert second.get(back)["Location"] == "/changes"


def test_the_browser_leaves_from_a_page_and_not_from_the_form(
    idp: Provider, client: Client, db: None
) -> None:
    page = client.post(LOGIN)
    assert "form-action 'self'" in page["Content-Security-Policy"]
    query = parse_qs(urlsplit(leave(client)).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"http://testserver{LOGIN}callback/"]


def test_only_a_post_starts_it(idp: Provider, client: Client, db: None) -> None:
    client.get(LOGIN)
    assert not idp.grants
    assert Client(enforce_csrf_checks=True).post(LOGIN).status_code == 403


def test_an_answer_meant_for_another_browser_signs_nobody_in(idp: Provider, groups: None) -> None:
    attacker, victim = Client(), Client()
    victim.get(come_back(leave(attacker)))
    assert not is_signed_in(victim)
    assert not User.objects.exists()


def test_a_code_works_once(idp: Provider, groups: None) -> None:
    client = Client()
    back = come_back(leave(client))
    client.get(back)
    client.post("/accounts/logout/")
    client.get(back)
    assert not is_signed_in(client)


def test_a_provider_that_fails_is_told_and_signs_nobody_in(idp: Provider, groups: None) -> None:
    client = Client()
    idp.answer_tokens_with = 500
    page = client.get(come_back(leave(client)), follow=True)
    assert "Single sign-on failed" in page.content.decode()
    assert not is_signed_in(client)


def test_a_provider_that_is_gone_is_told(groups: None, settings: Settings, client: Client) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = configured(
        OIDC_SERVER_URL="http://127.0.0.1:9", OIDC_CLIENT_ID="portal", OIDC_CLIENT_SECRET="hush"
    )
    page = client.post(LOGIN)
    assert page.status_code == 502
    assert "Single sign-on failed" in page.content.decode()


def test_nobody_becomes_a_user_by_having_their_address(
    idp: Provider, administrator: User, groups: None
) -> None:
    idp.claims = {"sub": "u-2", "email": "ADA@example.com", "email_verified": True}
    client = Client()
    page = client.get(come_back(leave(client)))
    assert page.status_code == 403
    assert "already in use" in page.content.decode()
    assert not is_signed_in(client)
    assert User.objects.count() == 1


@pytest.mark.usefixtures("valid_license")
def test_a_user_connects_their_account_and_then_arrives_by_it(
    idp: Provider, administrator: User, administrator_client: Client
) -> None:
    idp.claims = {"sub": "u-2", "email": "ada@example.com"}
    confirm_password(administrator_client)
    administrator_client.get(come_back(leave(administrator_client, f"{LOGIN}?process=connect")))
    assert SocialAccount.objects.get().user == administrator
    client = Client()
    assert client.get(come_back(leave(client)))["Location"] == "/"
    assert client.get("/").wsgi_request.user == administrator


def test_an_inactive_user_does_not_get_in_by_it(idp: Provider, groups: None) -> None:
    client = Client()
    client.get(come_back(leave(client)))
    User.objects.update(is_active=False)
    other = Client()
    other.get(come_back(leave(other)))
    assert not is_signed_in(other)
