"""Without EMAIL_URL, no secrets are logged, and the pages say that mail is not configured."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.tests.browser import sent_mail

RESET = "/accounts/password/reset/"

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # texts and pages


def started_with(**variables: str) -> str:
    """Returns the output of a portal with these variables that mails a secret."""
    script = (
        "import django; django.setup(); from django.core.mail import send_mail;"
        "from django.conf import settings; print(settings.MAIL_IS_SET_UP);"
        "send_mail('subject', 'the secret link', None, ['vera@example.com'])"
    )
    environment = {
        "DOTENV_PATH": "", "SECRET_KEY": "x", "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "threatreaction.settings", **variables,
    }  # fmt: skip
    done = subprocess.run(  # noqa: S603  (our own interpreter, and no shell)
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_without_the_variable_nothing_is_written_down() -> None:
    assert started_with() == "False\n"
    shown = started_with(EMAIL_URL="consolemail://")
    assert shown.startswith("True\n")
    assert "the secret link" in shown


def test_the_pages_say_so(viewer: User, client: Client, settings: Settings) -> None:
    settings.MAIL_IS_SET_UP = False
    assert "cannot send email" in client.get(RESET).content.decode()
    done = client.post(RESET, {"email": viewer.email}, follow=True)
    assert "No email was sent" in done.content.decode()
    settings.MAIL_IS_SET_UP = True
    assert "Send the link" in client.get(RESET).content.decode()
    assert "Check your email" in client.get("/accounts/password/reset/done/").content.decode()


@pytest.mark.django_db(transaction=True)  # the mail is sent by another thread
def test_with_mail_the_link_is_sent(viewer: User, client: Client) -> None:
    client.post(RESET, {"email": viewer.email})
    assert "/accounts/password/reset/key/" in sent_mail()[0].body


def test_the_deployment_check_warns(settings: Settings) -> None:
    settings.MAIL_IS_SET_UP = False
    assert "accounts.W001" in {found.id for found in run_checks(include_deployment_checks=True)}
    settings.MAIL_IS_SET_UP = True
    assert "accounts.W001" not in {found.id for found in run_checks(include_deployment_checks=True)}


@pytest.mark.parametrize(("keys", "warns"), [(["k" * 32], False), (["k" * 32, "short"], True)])
def test_a_short_encryption_key_is_warned_about(
    keys: list[str], warns: bool, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS = keys
    found = {message.id for message in run_checks(include_deployment_checks=True)}
    assert ("accounts.W003" in found) is warns
