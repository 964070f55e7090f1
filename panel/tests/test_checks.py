"""System checks of the panel, and the documentation of its settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command, get_commands
from django.core.management.base import SystemCheckError
from django.test import Client
from pytest_django.fixtures import Settings

from license.tests import keys
from panel import checks, signing
from panel.tests.test_signing import aws_kms, make_kms_key, pem
from tests import documented

ROOT = Path(__file__).resolve().parent.parent.parent
PRICES = {1: "price_month", 12: "price_year"}


def the_error(found: list[CheckMessage], error_id: str) -> CheckMessage:
    (error,) = found
    assert (error.id, error.is_serious()) == (error_id, True)
    assert error.hint
    assert error in run_checks(include_deployment_checks=True)
    return error


def test_a_panel_that_is_set_up_passes_every_check(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "other-keys.pem"
    path.write_bytes(keys.public_pem(keys.other_key()))
    settings.LICENSE_OTHER_PUBLIC_KEYS = str(path)
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test", "whsec_test"
    settings.STRIPE_PRICES = PRICES
    found = run_checks(include_deployment_checks=True)
    assert not [message for message in found if str(message.id).startswith("panel.")]
    call_command("check")


@pytest.mark.parametrize("named", ["", "/nowhere/signing-key.pem"])
def test_a_panel_that_cannot_sign_is_told_how_to_make_a_key(settings: Settings, named: str) -> None:
    settings.LICENSE_SIGNING_KEY = named
    error = the_error(checks.check_signing_key(), "panel.E001")
    assert "createsigningkey" in str(error.hint)
    with pytest.raises(SystemCheckError, match=r"panel\.E001"):
        call_command("check")


def test_a_key_of_kms_is_tried_where_the_panel_is_deployed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing._kms_public_key.cache_clear()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    with aws_kms() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", url)
        settings.LICENSE_SIGNING_KEY = f"kms:{make_kms_key(url)['Arn']}"
        assert checks.check_kms_key() == []
        settings.LICENSE_SIGNING_KEY = f"kms:{make_kms_key(url, 'ECC_NIST_P256')['Arn']}"
        error = the_error(checks.check_kms_key(), "panel.E002")
        assert "RSA_2048" in str(error.hint)
        assert run_checks() == []  # which asks nothing of AWS
    signing._kms_public_key.cache_clear()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        (lambda: b"", "contains no PEM block"),
        (lambda: pem(keys.other_key()), "private key"),
    ],
)
def test_a_rotation_that_cannot_be_published_is_told(
    settings: Settings, tmp_path: Path, content: Callable[[], bytes] | None, told: str
) -> None:
    path = tmp_path / "other-keys.pem"
    if content:
        path.write_bytes(content())
    settings.LICENSE_OTHER_PUBLIC_KEYS = str(path)
    error = the_error(checks.check_other_public_keys(), "panel.E003")
    assert told in error.msg
    assert str(tmp_path) not in error.msg


@pytest.mark.parametrize(
    ("secret", "prices", "missing"),
    [
        ("", PRICES, "STRIPE_WEBHOOK_SECRET"),
        ("whsec_test", {1: "", 12: "price_year"}, "STRIPE_PRICE_1_MONTH"),
        ("", {1: "price_month", 12: ""}, "STRIPE_WEBHOOK_SECRET, STRIPE_PRICE_12_MONTHS"),
    ],
)
def test_stripe_by_halves_is_told(
    settings: Settings, secret: str, prices: dict[int, str], missing: str
) -> None:
    settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_PRICES = secret, prices
    assert checks.check_stripe() == []  # no Stripe at all
    settings.STRIPE_SECRET_KEY = "sk_test"
    assert f"without {missing}:" in the_error(checks.check_stripe(), "panel.E004").msg


def test_a_proof_that_is_not_sent_over_https_is_told(settings: Settings) -> None:
    assert checks.check_sts() == []
    settings.STS_ENDPOINT_URL = ""
    assert checks.check_sts() == []
    settings.STS_ENDPOINT_URL = "http://sts.example/"
    [warning] = checks.check_sts()
    assert warning.id == "panel.W003"


def test_a_panel_that_asks_for_no_second_factor_is_told(settings: Settings) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "SignIn" not in name]
    error = the_error(checks.check_second_factor(), "panel.E005")
    assert "panel.middleware.SignInMiddleware" in str(error.hint)
    with pytest.raises(SystemCheckError, match=r"panel\.E005"):
        call_command("check")


@pytest.mark.parametrize("keys_set", [[], [""], ["short"], ["x" * 32, "short"]])
def test_keys_that_keep_no_second_factor_safe_are_told(
    settings: Settings, keys_set: list[str]
) -> None:
    settings.ENCRYPTION_KEYS = keys_set
    error = the_error(checks.check_second_factor(), "panel.E006")
    assert "short" not in error.msg
    settings.ENCRYPTION_KEYS = ["x" * 32, "y" * 32]
    assert checks.check_second_factor() == []


def test_every_environment_variable_is_documented_and_no_other() -> None:
    read = documented.read_in("panel/settings.py", documented.SHARED)
    assert read == documented.listed_in((ROOT / "docs/licensing.md").read_text())


def test_every_command_of_the_panel_that_the_documents_name_exists() -> None:
    text = "".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))
    named = set(re.findall(r"manage\.py ([a-z_]+)[^\n`]*--settings[ =]panel\.settings", text))
    assert named
    assert named <= set(get_commands())


def test_without_mail_the_check_warns_and_the_page_says_so(
    db: None, client: Client, settings: Settings
) -> None:
    settings.MAIL_IS_SET_UP = False
    assert "panel.W001" in {found.id for found in run_checks(include_deployment_checks=True)}
    page = client.get("/panel/accounts/login/code/").content.decode()
    assert "cannot send e-mail" in page
