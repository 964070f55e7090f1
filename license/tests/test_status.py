"""Tests of the license status: which license is in force, and what the status contains."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.views.debug import ExceptionReporter
from pytest_django.fixtures import Settings

from conftest import install
from license import status, token
from license.models import License
from license.status import Kind, LicenseStatus
from license.tests import keys
from license.tests.keys import make_license
from tests.tampering import tamper

pytestmark = pytest.mark.django_db

NOW = keys.now()
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def at(instant: datetime) -> LicenseStatus:
    return status.current(instant)


def test_without_a_key_the_license_is_missing() -> None:
    found = at(NOW)
    assert (found.kind, found.code, found.allows_writes) == (Kind.MISSING, "license_missing", False)


def test_a_license_goes_from_valid_to_expired_on_the_very_instant() -> None:
    install(make_license(not_before=NOW, days=30))
    ends = NOW + 30 * DAY
    kinds = [
        (NOW - TICK, Kind.REJECTED),
        (NOW, Kind.VALID),
        (ends - 14 * DAY - TICK, Kind.VALID),
        (ends - 14 * DAY, Kind.EXPIRING_SOON),
        (ends - TICK, Kind.EXPIRING_SOON),
        (ends, Kind.EXPIRED),
    ]
    assert [at(instant).kind for instant, _ in kinds] == [kind for _, kind in kinds]
    assert [at(instant).allows_writes for instant, _ in kinds] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    assert at(ends).code == "license_expired"
    assert at(NOW - TICK).code == "license_not_yet_valid"


def test_a_trial_of_fourteen_days_expires_soon_from_its_first_instant() -> None:
    install(make_license(plan="trial", not_before=NOW, days=14))
    assert at(NOW).kind is Kind.EXPIRING_SOON
    assert at(NOW).days_left == 14


def test_the_newest_key_that_verifies_is_in_force() -> None:
    install(make_license(jti="long", days=300))
    install(make_license(jti="newest", days=20))
    install(make_license(jti="other", days=20, aws_account_id="210987654321"))
    in_force = at(NOW + DAY).claims
    assert in_force and in_force.jti == "newest"
    later = at(NOW + 21 * DAY).claims
    assert later and later.jti == "long"


def test_a_queued_renewal_takes_over_by_itself() -> None:
    install(make_license(jti="old", not_before=NOW, days=10))
    install(make_license(jti="new", not_before=NOW + 10 * DAY, days=365))
    before, after = at(NOW + 10 * DAY - TICK), at(NOW + 10 * DAY)
    assert before.claims and before.claims.jti == "old"
    assert before.queued and before.queued.jti == "new"
    assert (before.kind, before.needs_notice) == (Kind.VALID, False)
    assert after.claims and after.claims.jti == "new"
    assert (after.kind, after.queued) == (Kind.VALID, None)


def test_in_the_gap_before_a_renewal_the_license_is_expired() -> None:
    install(make_license(jti="older", not_before=NOW, days=2))
    install(make_license(jti="old", not_before=NOW, days=10))
    install(make_license(jti="new", not_before=NOW + 20 * DAY, days=365))
    found = at(NOW + 15 * DAY)
    assert (found.kind, found.code) == (Kind.EXPIRED, "license_expired")
    assert found.claims and found.claims.jti == "old"
    assert found.queued and found.queued.jti == "new"
    assert at(NOW + 20 * DAY).kind is Kind.VALID


def test_a_renewal_that_leaves_a_gap_keeps_the_notice() -> None:
    install(make_license(not_before=NOW, days=10))
    install(make_license(not_before=NOW + 11 * DAY, days=365))
    assert at(NOW).queued is not None
    assert (at(NOW).kind, at(NOW).needs_notice) == (Kind.EXPIRING_SOON, True)
    assert f"{NOW + 10 * DAY:%Y-%m-%d at %H:%M}" in at(NOW).remedy


def test_a_renewal_that_ends_soon_itself_keeps_the_notice() -> None:
    install(make_license(not_before=NOW, days=5))
    install(make_license(not_before=NOW + 5 * DAY, days=5))
    assert at(NOW).kind is Kind.EXPIRING_SOON
    assert f"{NOW + 10 * DAY:%Y-%m-%d at %H:%M}" in at(NOW).remedy


def test_of_several_renewals_the_first_to_begin_is_told_and_all_count() -> None:
    install(make_license(not_before=NOW, days=5))
    install(make_license(jti="first", not_before=NOW + 5 * DAY, days=5))
    install(make_license(jti="second", not_before=NOW + 10 * DAY, days=365))
    assert at(NOW).kind is Kind.VALID
    queued = at(NOW).queued
    assert queued and queued.jti == "first"


def test_a_replacement_revokes_what_it_names_for_ever() -> None:
    install(make_license(jti="stolen", days=300))
    install(make_license(jti="replacement", days=5, revokes=["stolen"]))
    assert at(NOW + DAY).claims == at(NOW + 2 * DAY).claims
    ended = at(NOW + 6 * DAY)
    assert (ended.kind, ended.allows_writes) == (Kind.EXPIRED, False)


def test_a_queued_renewal_revokes_nothing_before_it_begins() -> None:
    install(make_license(jti="present", not_before=NOW, days=10))
    install(make_license(not_before=NOW + 10 * DAY, revokes=["present"]))
    assert at(NOW + 9 * DAY).allows_writes


def test_a_revoked_license_is_rejected_by_its_own_reason() -> None:
    install(make_license(revokes=["stolen"], days=1))
    install(make_license(jti="stolen", days=300))
    found = at(NOW + 2 * DAY)
    assert (found.kind, found.code) == (Kind.REJECTED, "license_revoked")
    assert "stolen" in found.reason


@pytest.mark.parametrize("account", ["", "210987654321"])
def test_another_account_is_rejected(settings: Settings, account: str) -> None:
    install(make_license())
    settings.AWS_ACCOUNT_ID = account
    assert at(NOW).code == "license_wrong_account"


def test_a_rotated_key_counts_while_both_are_shipped(settings: Settings) -> None:
    install(make_license(not_before=NOW, signing_key=keys.other_key()))
    assert at(NOW).code == "license_bad_signature"
    settings.LICENSE_PUBLIC_KEY_PATH.write_bytes(
        keys.public_pem(keys.vendor_key(), keys.other_key())
    )
    assert at(NOW).kind is Kind.VALID
    settings.LICENSE_PUBLIC_KEY_PATH.write_bytes(keys.public_pem())
    assert at(NOW).code == "license_bad_signature"


@pytest.mark.parametrize("pem", [b"", b"nonsense", None])
def test_without_a_public_key_nothing_is_trusted_and_nothing_breaks(
    settings: Settings, pem: bytes | None
) -> None:
    install(make_license())
    if pem is None:
        settings.LICENSE_PUBLIC_KEY_PATH.unlink()
    else:
        settings.LICENSE_PUBLIC_KEY_PATH.write_bytes(pem)
    found = at(NOW)
    assert (found.kind, found.code) == (Kind.REJECTED, "license_bad_signature")
    assert "public key" in found.reason


EDITS = [
    "UPDATE license_license SET expires_at_untrusted = '2099-01-01 00:00:00+00:00'",
    "UPDATE license_license SET plan_untrusted = 'trial'",
    "UPDATE license_license SET jti = 'unrevoked'",
    "UPDATE license_license SET key = key || ' '",
]


@pytest.mark.one_database  # the token decides, not the columns
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("days", [1, 30])
def test_editing_the_copied_columns_changes_no_decision(edit: str, days: int) -> None:
    install(make_license(jti="a", not_before=NOW - 2 * DAY, days=days))
    before = at(NOW)
    tamper(edit)
    after = at(NOW)
    assert (before.kind, before.claims, before.code) == (after.kind, after.claims, after.code)


def test_editing_the_key_itself_takes_the_license_away() -> None:
    install(make_license())
    header, payload, signature = License.objects.get().key.split(".")
    longer = make_license(days=900, signing_key=keys.other_key()).split(".")[1]
    tamper("UPDATE license_license SET key = %s", [f"{header}.{longer}.{signature}"])
    assert at(NOW).code == "license_bad_signature"
    tamper("UPDATE license_license SET key = ''")
    assert at(NOW).code == "license_malformed"
    assert payload != longer


def test_one_query_tells_the_status_whatever_the_history() -> None:
    for days in (5, 10, 15):
        install(make_license(days=days))
    with CaptureQueriesContext(connection) as queries:
        at(NOW)
    assert len(queries) == 1


def test_every_refusal_says_what_to_do(settings: Settings) -> None:
    install(make_license(not_before=NOW, days=30))
    settings.AWS_ACCOUNT_ID = "210987654321"
    states = [at(NOW)]
    settings.AWS_ACCOUNT_ID = keys.ACCOUNT
    states += [at(NOW - DAY), at(NOW + 20 * DAY), at(NOW + 40 * DAY)]
    assert all(state.remedy for state in states)
    assert at(NOW).remedy == ""


def test_how_much_of_the_term_has_passed() -> None:
    install(make_license(not_before=NOW, days=10))
    passed = [at(NOW + days * DAY).percent_used for days in (0, 5, 10, 99)]
    assert passed == [0, 50, 100, 100]


def test_a_report_of_a_bug_does_not_contain_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    install(make_license())

    def broken(*args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(token, "_license_claims", broken)
    with pytest.raises(RuntimeError) as raised:
        at(NOW)
    report = ExceptionReporter(None, raised.type, raised.value, raised.tb).get_traceback_html()
    assert "_once" in report
    for part in License.objects.get().key.split("."):
        assert part not in report
