"""Headings, titles, labels and buttons of the pages around accounts are in sentence case."""

from __future__ import annotations

import re
from html import unescape

import pytest
from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.tests.browser import confirm_password
from accounts.tests.test_second_factor import enrol

pytestmark = pytest.mark.one_database  # texts

# Names, which keep their capitals.
NAMES = re.compile(r"\b(Threat Reaction|API|AWS|GuardDuty|Swamp ID)\b")
TEXTS = re.compile(r"<(title|h1|h2|h3|label|button|legend|th|dt|summary)\b[^>]*>(.*?)</\1>", re.S)

FOR_STRANGERS = [
    "/accounts/login/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-x/",
    "/accounts/password/reset/key/done/",
    "/accounts/confirm-email/",
    "/accounts/confirm-email/x/",
    "/accounts/inactive/",
    "/accounts/signup/",
    "/accounts/social/login/cancelled/",
    "/accounts/social/login/error/",
]
PAGES = [
    "/accounts/reauthenticate/",
    "/accounts/2fa/reauthenticate/",
    "/accounts/2fa/",
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/recovery-codes/",
    "/accounts/2fa/recovery-codes/generate/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/webauthn/keys/{key}/edit/",
    "/accounts/2fa/webauthn/keys/{key}/remove/",
    "/accounts/password/change/",
    "/accounts/email/",
    "/accounts/sessions/",
    "/accounts/logout/",
    "/accounts/social/connections/",
    "/people",
    "/people/{person}",
    "/people/invite",
    "/clients",
    "/clients/create",
    "/security-log",
]


def capitals_in(client: Client, path: str) -> list[str]:
    """Returns the texts of a page with a capital after the first word."""
    answer = client.get(path, follow=True)
    page = re.sub("<header.+?</header>", "", answer.content.decode(), flags=re.DOTALL)
    assert "<h1" in page, (path, answer.status_code, page[:100])
    found = []
    for _, text in TEXTS.findall(page):
        for part in re.split("<[^>]+>", unescape(text)):
            _, *rest = NAMES.sub("name", part).split() or [""]
            if any(re.match("[A-Z][a-z]", word) for word in rest):
                found.append(f"{path}: {part.strip()}")
    return found


@pytest.mark.usefixtures("valid_license")
def test_pages_are_in_sentence_case(
    client: Client, administrator: User, administrator_client: Client, settings: Settings
) -> None:
    app = {"provider_id": "sso", "name": "Swamp ID", "client_id": "x", "secret": "x"}
    app["settings"] = {"server_url": "https://idp.example.com"}  # type: ignore[assignment]
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    enrol(administrator_client)
    found = capitals_in(administrator_client, "/accounts/2fa/webauthn/add/")
    data = {"name": "key", "credential": {"clientExtensionResults": {}}}
    key = Authenticator.objects.create(user=administrator, type="webauthn", data=data)
    SocialAccount.objects.create(user=administrator, provider="sso", uid="1")
    confirm_password(administrator_client)
    found += [text for path in FOR_STRANGERS for text in capitals_in(client, path)]
    for path in PAGES:
        path = path.format(key=key.pk, person=administrator.pk)
        found += capitals_in(administrator_client, path)
    administrator_client.logout()
    without = User.objects.create_user("nora")
    administrator_client.force_login(without)
    found += capitals_in(administrator_client, "/accounts/password/set/")
    assert found == []


@pytest.mark.django_db
def test_mail_is_in_sentence_case() -> None:
    subject = get_adapter().render_mail("mfa/email/totp_activated", "ada@example.com", {}).subject
    assert subject == "[Threat Reaction] Authenticator app activated"
