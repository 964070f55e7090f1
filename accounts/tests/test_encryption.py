"""The secrets of second factors are encrypted in the database, by keys that can be rotated."""

from __future__ import annotations

import importlib
import json
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.tests.browser import confirm_password, is_signed_in, sign_in, totp
from accounts.tests.test_second_factor import enrol

pytestmark = pytest.mark.usefixtures("valid_license")


def stored() -> str:
    """Returns what a reader of the table sees."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        return json.dumps([row[0] for row in cursor.fetchall()])


class InTheClear:
    """Returns what signing without encryption would disclose."""

    def dumps(self, data: str) -> bytes:
        return data.encode()

    def loads(self, data: bytes) -> str:
        return data.decode()


@pytest.mark.one_database  # a form and the log
def test_a_secret_that_is_being_set_up_is_not_stored_in_the_clear(viewer_client: Client) -> None:
    confirm_password(viewer_client)
    page = viewer_client.get("/accounts/2fa/totp/activate/")
    secret = viewer_client.session["mfa.totp.secret"]
    assert secret in page.content.decode()
    salt = f"django.contrib.sessions.{SessionStore.__name__}"
    sessions = [
        signing.loads(row.session_data, salt=salt, serializer=InTheClear)
        for row in Session.objects.all()
    ]
    assert len(sessions) == 1
    assert secret not in sessions[0]
    assert "mfa" not in sessions[0]


@pytest.mark.one_database  # a form and the log
def test_a_session_of_another_key_is_over(viewer_client: Client, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = ["new", *settings.ENCRYPTION_KEYS]
    assert is_signed_in(viewer_client)
    settings.ENCRYPTION_KEYS = ["another"]
    assert viewer_client.get("/threats").status_code == 302


def gets_in_with(secret: str, *, minutes: int = 1) -> bool:
    """Each attempt uses another minute, because a code works only once."""
    client = Client()
    with time_machine.travel(timezone.now() + timedelta(minutes=minutes), tick=False):
        sign_in(client, "vera")
        client.post("/accounts/2fa/authenticate/", {"code": totp(secret)})
    return is_signed_in(client)


def rotate() -> str:
    printed = StringIO()
    call_command("rotateencryptionkey", stdout=printed)
    return printed.getvalue()


def test_no_secret_lies_in_the_clear(viewer: User, viewer_client: Client) -> None:
    secret = enrol(viewer_client)
    kinds = {row.type: row.data for row in Authenticator.objects.all()}
    assert secret not in stored()
    assert kinds["totp"]["secret"].startswith("fernet:")
    assert kinds["recovery_codes"]["seed"].startswith("fernet:")
    assert gets_in_with(secret)


def test_keys_are_rotated(viewer: User, viewer_client: Client, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = ["old"]
    viewer_client.force_login(viewer)  # a session is encrypted too
    secret = enrol(viewer_client)
    settings.ENCRYPTION_KEYS = ["new", "old"]
    assert gets_in_with(secret)
    told = "Encrypted with the first key: 2 second factors, 0 destinations.\n"
    assert rotate() == rotate() == told
    settings.ENCRYPTION_KEYS = ["new"]
    assert gets_in_with(secret, minutes=2)


@pytest.mark.one_database  # a form and the log
def test_without_the_key_no_code_fits_and_the_log_says_why(
    viewer: User, viewer_client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    secret = enrol(viewer_client)
    before = stored()
    settings.ENCRYPTION_KEYS = ["another"]
    assert not gets_in_with(secret)
    assert "ENCRYPTION_KEYS" in caplog.text
    with pytest.raises(CommandError, match="Nothing was changed"):
        rotate()
    assert stored() == before


def test_what_was_in_the_clear_is_encrypted_by_the_migration_and_back(viewer: User) -> None:
    data = {"secret": "JBSWY3DPEHPK3PXP"}
    Authenticator.objects.create(user=viewer, type="totp", data=data)
    codes = {"seed": "ab", "used_mask": 0, "migrated_codes": ["12345678"]}
    Authenticator.objects.create(user=viewer, type="recovery_codes", data=codes)
    migration = importlib.import_module("accounts.migrations.0005_encrypt_second_factors")
    migration.encrypt(apps, None)
    for secret in ("JBSWY3DPEHPK3PXP", '"ab', "12345678"):
        assert secret not in stored()
    assert gets_in_with("JBSWY3DPEHPK3PXP")
    migration.decrypt(apps, None)
    assert [row.data for row in Authenticator.objects.order_by("pk")] == [data, codes]
