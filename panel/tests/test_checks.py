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
from panel import checks, selling, signing
from panel.tests.test_signing import aws_kms, make_kms_key, pem
from tests import documented

pytestmark = pytest.mark.one_database  # a page

ROOT = Path(__file__).resolve().parent.parent.parent


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


def test_stripe_by_halves_is_told(settings: Settings) -> None:
    assert checks.check_stripe() == []  # no Stripe at all
    settings.STRIPE_SECRET_KEY = "sk_test"
    assert "STRIPE_WEBHOOK_SECRET" in the_error(checks.check_stripe(), "panel.E004").msg


@pytest.mark.parametrize("name", checks.HINTS)
def test_what_is_missing_to_sell_is_named_with_a_remedy(settings: Settings, name: str) -> None:
    unset(settings, name)
    (found,) = checks.check_selling_is_set_up()
    assert (found.id, found.is_serious()) == ("panel.W002", False)
    assert name in found.msg
    assert checks.HINTS[name] in str(found.hint)
    settings.STRIPE_SECRET_KEY = "sk_test"  # and then no bank details are needed
    assert bool(checks.check_selling_is_set_up()) == (name != "BANK_DETAILS")


def unset(settings: Settings, name: str, value: str = "") -> None:
    months = {"PRICE_1_MONTH": 1, "PRICE_12_MONTHS": 12}
    if name in months:
        settings.PRICES = settings.PRICES | {months[name]: value}
    else:
        setattr(settings, name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRICE_1_MONTH", "99"),
        ("PRICE_1_MONTH", "99,00"),
        ("PRICE_1_MONTH", "0.00"),
        ("PRICE_12_MONTHS", "-990.00"),
        ("PRICE_12_MONTHS", "1e3"),
        ("TAX_RATE", "19 %"),
        ("TAX_RATE", "0.195"),
        ("CURRENCY", "euro"),
        ("CURRENCY", "JPY"),
        ("SELLER_COUNTRY", "Germany"),
    ],
)
def test_what_is_malformed_is_told_and_nothing_can_be_ordered(
    settings: Settings, name: str, value: str
) -> None:
    unset(settings, name, value)
    error = the_error(checks.check_selling(), "panel.E007")
    assert name in error.msg
    assert value in error.msg
    assert not selling.is_open()


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
    assert "cannot send email" in page
