from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from conftest import install
from license import startup, status
from license.models import License
from license.tests import keys
from license.tests.keys import make_license

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def start(settings: Settings, key: str) -> None:
    settings.LICENSE_KEY = key
    startup.install_from_environment()


def test_a_new_key_that_verifies_is_installed(settings: Settings) -> None:
    start(settings, make_license(jti="a") + "\n")
    assert License.objects.get().source == "environment"
    assert status.current().allows_writes


def test_a_second_start_changes_nothing(settings: Settings, log: pytest.LogCaptureFixture) -> None:
    start(settings, make_license())
    log.clear()
    startup.install_from_environment()
    assert License.objects.count() == 1
    assert log.records == []


def test_a_start_does_not_undo_what_somebody_installed_since(
    settings: Settings, log: pytest.LogCaptureFixture
) -> None:
    start(settings, make_license(jti="paid", days=365))
    call_command("setlicense", make_license(jti="trial", plan="trial", days=5), force=True)
    log.clear()
    startup.install_from_environment()
    in_force = status.current().claims
    assert in_force and in_force.jti == "trial"
    assert License.objects.count() == 2
    assert "LICENSE_KEY (license paid) was installed before" in log.text
    start(settings, make_license(jti="new", days=400))
    in_force = status.current().claims
    assert in_force and in_force.jti == "new"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (lambda: make_license(aws_account_id="210987654321"), "210987654321"),
        (lambda: make_license(begins=timedelta(days=-30)), "expired"),
        (lambda: make_license(signing_key=keys.other_key()), "signature"),
        (lambda: "nonsense" * 9, "not a valid"),
        (lambda: make_license(days=1), "expires before"),
    ],
)
def test_a_key_that_is_refused_stops_nothing_and_is_told_without_the_key(
    settings: Settings, log: pytest.LogCaptureFixture, key: object, reason: str
) -> None:
    install(make_license(jti="present"))
    text = key()  # type: ignore[operator]
    start(settings, text)
    assert License.objects.count() == 1
    assert reason in log.text
    assert text[10:40] not in log.text


def test_without_a_key_the_database_is_not_asked(
    settings: Settings, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        start(settings, "")
