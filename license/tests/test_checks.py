"""Tests of the system checks: each error in a deployment is reported with a fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core import checks
from django.core.checks import CheckMessage, run_checks
from django.core.management import execute_from_command_line
from pytest_django.fixtures import Settings

from license.checks import MIDDLEWARE
from license.tests import keys


def found() -> dict[str, CheckMessage]:
    messages = {str(message.id): message for message in run_checks()}
    return {name: message for name, message in messages.items() if name.startswith("license.")}


def test_a_good_deployment_has_nothing_to_fix() -> None:
    assert found() == {}


@pytest.mark.parametrize("pem", [None, b"", b"nonsense"])
def test_no_public_key_is_an_error(settings: Settings, pem: bytes | None) -> None:
    if pem is None:
        settings.LICENSE_PUBLIC_KEY_PATH.unlink()
    else:
        settings.LICENSE_PUBLIC_KEY_PATH.write_bytes(pem)
    assert found()["license.E001"].level == checks.ERROR
    assert "LICENSE_PUBLIC_KEY_PATH" in str(found()["license.E001"].hint)


def test_a_private_key_in_public_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "public" / "static").mkdir(parents=True)
    (tmp_path / "public" / "static" / "left.txt").write_bytes(b"-----BEGIN RSA PRIVATE KEY-----")
    settings.BASE_DIR = tmp_path
    assert "left.txt" in found()["license.E002"].msg


@pytest.mark.parametrize("account", ["", "12345678901", "1234567890123", "12345678901x", "²" * 12])
def test_an_account_that_is_not_twelve_digits_is_told(settings: Settings, account: str) -> None:
    settings.AWS_ACCOUNT_ID = account
    assert found()["license.W001"].level == checks.WARNING


def test_the_missing_middleware_is_an_error(settings: Settings) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    assert "license.E004" in found()


def test_a_middleware_that_may_answer_first_is_an_error(settings: Settings) -> None:
    others = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    settings.MIDDLEWARE = [*others, MIDDLEWARE]
    assert "license.E005" in found()
    csrf = others.index("django.middleware.csrf.CsrfViewMiddleware")
    settings.MIDDLEWARE = [*others[:csrf], MIDDLEWARE, *others[csrf:]]
    assert "license.E005" not in found()


def test_an_exemption_without_a_route_is_told(settings: Settings) -> None:
    settings.LICENSE_EXEMPT_VIEWS = [*settings.LICENSE_EXEMPT_VIEWS, "license:pgae"]
    assert "license:pgae" in found()["license.W002"].msg


@pytest.mark.django_db(transaction=True)  # each command closes its connections
def test_the_commands_that_fix_a_license_run_whatever_is_wrong(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.MIDDLEWARE = []
    with pytest.raises(SystemExit):
        execute_from_command_line(["manage.py", "check"])
    execute_from_command_line(["manage.py", "setlicense", keys.make_license()])
    execute_from_command_line(["manage.py", "license"])
    execute_from_command_line(["manage.py", "checkgate"])
    printed = capsys.readouterr()
    assert "license.E004" in printed.err
    assert "Installed a paid license" in printed.out
