"""Tests of the revocation list: revoked licenses stay revoked if the file is lost."""

from __future__ import annotations

import tracemalloc
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django.fixtures import Settings

from conftest import install
from license import installation, status, token
from license.models import License, SeenRevocations
from license.reasons import LicenseRevoked
from license.tests import keys
from license.tests.keys import make_license
from license.token import RevocationsError

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # signed lists

Publish = Callable[..., None]


@pytest.fixture
def publish(settings: Settings) -> Publish:
    def write(seq: int, revoked: Sequence[str], key: RSAPrivateKey | None = None) -> None:
        text = token.issue_revocations(
            signing_key=key or keys.vendor_key(), seq=seq, issued_at=keys.now(), revoked=revoked
        )
        settings.LICENSE_REVOCATIONS_PATH.write_text(text + "\n")

    return write


def code() -> str:
    return status.current().code


def test_a_published_revocation_counts_at_once(publish: Publish) -> None:
    install(make_license(jti="stolen"))
    assert code() == ""
    publish(1, ["stolen"])
    assert code() == "license_revoked"


@pytest.mark.every_database  # rows that exist or do not fit
def test_an_older_list_rolls_nothing_back(publish: Publish) -> None:
    install(make_license(jti="stolen"))
    publish(5, ["stolen"])
    assert code() == "license_revoked"
    publish(4, [])
    assert code() == "license_revoked"
    publish(6, [])  # the vendor may take a revocation back; only the vendor
    assert code() == ""


def test_a_later_list_may_be_shorter(publish: Publish, caplog: pytest.LogCaptureFixture) -> None:
    """Licenses that have expired leave the vendor's list."""
    install(make_license(jti="stolen"))
    publish(2, ["long ago", "last year", "stolen"])
    assert code() == "license_revoked"
    publish(3, ["last year", "stolen"])
    assert code() == "license_revoked"
    publish(3, ["stolen"])  # an expiry alone raises no seq
    assert code() == "license_revoked"
    publish(4, [])
    assert code() == ""
    assert list(SeenRevocations.objects.order_by("seq").values_list("seq", flat=True)) == [2, 3, 4]
    assert caplog.text == ""


@pytest.mark.parametrize("content", [None, "", "nonsense", "a.b.c", "\xff", b"\xff\xfe"])
def test_a_list_that_is_gone_or_garbled_takes_nothing_back(
    settings: Settings, publish: Publish, content: str | bytes | None
) -> None:
    install(make_license(jti="stolen"))
    publish(1, ["stolen"])
    assert code() == "license_revoked"
    if content is None:
        settings.LICENSE_REVOCATIONS_PATH.unlink()
    elif isinstance(content, bytes):
        settings.LICENSE_REVOCATIONS_PATH.write_bytes(content)
    else:
        settings.LICENSE_REVOCATIONS_PATH.write_text(content)
    assert code() == "license_revoked"


def test_a_stored_list_of_a_withdrawn_key_takes_nothing_back(
    settings: Settings, publish: Publish
) -> None:
    install(make_license(jti="stolen"))
    settings.LICENSE_PUBLIC_KEY_PATH.write_bytes(
        keys.public_pem(keys.vendor_key(), keys.other_key())
    )
    publish(1, ["stolen"])
    assert code() == "license_revoked"
    publish(9, ["stolen"], keys.other_key())
    assert code() == "license_revoked"
    settings.LICENSE_PUBLIC_KEY_PATH.write_bytes(keys.public_pem())
    settings.LICENSE_REVOCATIONS_PATH.unlink()
    assert code() == "license_revoked"


def test_a_list_that_comes_with_a_refused_key_is_remembered(
    settings: Settings, publish: Publish
) -> None:
    publish(1, ["stolen"])
    with pytest.raises(LicenseRevoked):
        installation.install(
            make_license(jti="stolen"), by=None, source=License.Source.COMMAND, at=keys.now()
        )
    assert SeenRevocations.objects.get().seq == 1


def test_a_list_that_the_vendor_has_not_signed_revokes_nothing(
    settings: Settings, publish: Publish
) -> None:
    install(make_license(jti="a"))
    publish(9, ["a"], keys.other_key())
    assert code() == ""
    assert not SeenRevocations.objects.exists()
    published = settings.LICENSE_REVOCATIONS_PATH.read_text().strip()
    SeenRevocations.objects.create(seq=9, token=published, seen_at=keys.now())
    assert code() == ""


def test_a_revoked_key_cannot_be_installed_again(publish: Publish) -> None:
    publish(1, ["stolen"])
    preview = installation.preview(make_license(jti="stolen"), keys.now())
    assert preview.error and preview.error.code == "license_revoked"
    assert SeenRevocations.objects.get().seq == 1


@pytest.mark.every_database  # rows that exist or do not fit
def test_a_list_is_remembered_once(publish: Publish) -> None:
    install(make_license())
    publish(3, ["x"])
    for _ in range(3):
        code()
    assert SeenRevocations.objects.count() == 1


def test_a_list_that_cannot_be_honoured_is_an_error_of_the_checks(
    settings: Settings, publish: Publish
) -> None:
    publish(1, ["x"], keys.other_key())
    with pytest.raises(SystemCheckError, match=r"license\.E003"):
        call_command("check")
    publish(1, ["x"])
    call_command("check")


@pytest.mark.every_database  # rows that exist or do not fit
@pytest.mark.parametrize("seq", [0, -1, 2**63])
def test_a_sequence_number_is_positive_and_fits_the_database(seq: int) -> None:
    with pytest.raises(RevocationsError, match="seq"):
        token.issue_revocations(
            signing_key=keys.vendor_key(), seq=seq, issued_at=keys.now(), revoked=[]
        )


@pytest.mark.every_database  # long values
def test_a_list_of_ten_thousand_licenses_is_read(publish: Publish) -> None:
    install(make_license(jti="last", days=3, begins=timedelta(0)))
    publish(1, [*(f"{number:036}" for number in range(10_000)), "last"])
    assert code() == "license_revoked"


def test_a_long_list_is_read_once_however_many_keys_there_are(publish: Publish) -> None:
    publish(1, [str(uuid.uuid4()) for _ in range(15_000)])
    for _ in range(100):
        row = {"jti": "x", "plan_untrusted": "paid", "source": License.Source.COMMAND}
        dates = {"expires_at_untrusted": keys.now(), "installed_at": keys.now()}
        License.objects.create(key="nothing like a key", **row, **dates)
    status.current()  # stores the list
    [stored] = SeenRevocations.objects.values_list("token", flat=True)
    tracemalloc.start()
    status.current()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 * len(stored)
