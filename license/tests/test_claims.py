"""Tests of the claims of license keys, alone and at an account and a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from license import token
from license.reasons import (
    LicenseExpired,
    LicenseMalformed,
    LicenseNotYetValid,
    LicenseRevoked,
    LicenseWrongAccount,
)
from license.tests.keys import ACCOUNT, make_license, now
from license.tests.tokens import CLAIMS, FULLWIDTH, HEADER, NOON, claims_with, read, sign, verify


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_every_claim_is_required(name: str) -> None:
    with pytest.raises(LicenseMalformed, match=name):
        read(sign(HEADER, claims_with(**{name: ...})))


@pytest.mark.parametrize("name", ["iat", "nbf", "exp"])
@pytest.mark.parametrize(
    "date",
    [
        "1793534400", 1793534400.0, True, False, None, [], {}, "١٧٩٣٥٣٤٤٠٠",
        0, -1, 1577836799, 4133980800, 10**18, 10**30, -(10**30),
    ],
)  # fmt: skip
def test_a_date_is_a_json_integer_in_this_century(name: str, date: object) -> None:
    with pytest.raises(LicenseMalformed, match=name):
        read(sign(HEADER, claims_with(**{name: date})))


def test_a_key_is_not_issued_after_its_end() -> None:
    exp = claims_with()["exp"]
    read(sign(HEADER, claims_with(iat=exp)))
    with pytest.raises(LicenseMalformed, match="issue date"):
        read(sign(HEADER, claims_with(iat=exp + 1)))


@pytest.mark.parametrize(("ahead", "honored"), [(0, True), (300, True), (301, False)])
def test_a_key_from_the_future_is_honored_once_that_has_come(ahead: int, honored: bool) -> None:
    """The vendor's clock may be up to five minutes ahead."""
    claims = read(
        make_license(begins=timedelta(days=-1), issued_at=now() + timedelta(seconds=ahead))
    )
    at = claims.issued_at - timedelta(seconds=ahead)
    if honored:
        token.validate(claims, account_id=ACCOUNT, now=at, revoked=[])
        return
    with pytest.raises(LicenseNotYetValid):
        token.validate(claims, account_id=ACCOUNT, now=at, revoked=[])
    token.validate(claims, account_id=ACCOUNT, now=claims.issued_at, revoked=[])


def test_the_first_and_the_last_second_of_the_years_are_dates() -> None:
    first, last = 1577836800, 4133980799  # 2020-01-01T00:00:00Z, 2100-12-31T23:59:59Z
    assert (
        read(sign(HEADER, claims_with(iat=first, nbf=first, exp=first + 1))).issued_at.year == 2020
    )
    assert read(sign(HEADER, claims_with(iat=last, nbf=last - 1, exp=last))).expires_at.year == 2100


@pytest.mark.parametrize("longer", [0, -1, -86400])
def test_a_key_ends_after_it_begins(longer: int) -> None:
    with pytest.raises(LicenseMalformed, match="expiry"):
        read(sign(HEADER, claims_with(exp=CLAIMS["nbf"] + longer)))  # type: ignore[operator]


def test_a_term_of_five_years_is_read_and_one_second_more_is_not() -> None:
    begins = datetime(2028, 1, 1, tzinfo=UTC)  # two leap days follow
    nbf, exp = int(begins.timestamp()), int(begins.replace(year=2033).timestamp())
    assert read(sign(HEADER, claims_with(nbf=nbf, exp=exp))).not_before == begins
    with pytest.raises(LicenseMalformed, match="5 years"):
        read(sign(HEADER, claims_with(nbf=nbf, exp=exp + 1)))


@pytest.mark.parametrize(
    "account",
    [
        "12345678901", "1234567890123", "12345678901x", "", " 23456789012", "123456789012\n",
        "١٢٣٤٥٦٧٨٩٠١٢", FULLWIDTH, "²²²²²²²²²²²²", 123456789012, None, ["123456789012"],
    ],
)  # fmt: skip
def test_an_account_is_twelve_ascii_digits(account: object) -> None:
    with pytest.raises(LicenseMalformed, match="aws_account_id"):
        read(sign(HEADER, claims_with(aws_account_id=account)))


@pytest.mark.parametrize("plan", ["", "Paid", "PAID", "free", "trial ", None, True, ["paid"]])
def test_a_plan_is_trial_or_paid(plan: object) -> None:
    with pytest.raises(LicenseMalformed, match="plan"):
        read(sign(HEADER, claims_with(plan=plan)))


@pytest.mark.parametrize(
    "iss",
    [
        "",
        "threatreaction.com/",
        "https://threatreaction.com",
        "Threatreaction.com",
        None,
        ["threatreaction.com"],
    ],
)
def test_the_issuer_is_the_vendor(iss: object) -> None:
    with pytest.raises(LicenseMalformed, match="iss"):
        read(sign(HEADER, claims_with(iss=iss)))


@pytest.mark.parametrize("name", ["jti", "customer"])
@pytest.mark.parametrize(
    "text", ["", "a\nb", "a\0b", "\x1b[31m", "\u202e", "\u200b", "\ud800", "x" * 201, 7, None, []]
)
def test_text_is_printable_and_short(name: str, text: object) -> None:
    with pytest.raises(LicenseMalformed, match=name):
        read(sign(HEADER, claims_with(**{name: text})))


def test_text_of_two_hundred_characters_is_read() -> None:
    assert read(sign(HEADER, claims_with(customer="é" * 200))).customer == "é" * 200


@pytest.mark.parametrize("revokes", ["abc", None, {}, [1], [""], [["a"]], ["a\n"], ["x" * 201]])
def test_what_is_revoked_is_a_list_of_texts(revokes: object) -> None:
    with pytest.raises(LicenseMalformed, match="revokes"):
        read(sign(HEADER, claims_with(revokes=revokes)))


def test_a_key_does_not_revoke_itself() -> None:
    with pytest.raises(LicenseMalformed, match="itself"):
        read(sign(HEADER, claims_with(revokes=["0b1c"])))


def test_a_claim_that_a_later_version_may_add_is_ignored() -> None:
    assert read(sign(HEADER, claims_with(seats=5))).jti == "0b1c"


# --- Here and now -----------------------------------------------------------------------------


def test_a_key_counts_from_its_first_second_to_the_last_before_its_end() -> None:
    ends = NOON + timedelta(days=30)
    tick = timedelta(microseconds=1)
    assert verify(NOON).jti == verify(ends - tick).jti == "0b1c"
    with pytest.raises(LicenseNotYetValid, match="2026-11-01T12:00:00Z"):
        verify(NOON - tick)
    for at in (ends, ends + tick, ends + timedelta(days=900)):
        with pytest.raises(LicenseExpired, match="2026-12-01T12:00:00Z"):
            verify(at)


@pytest.mark.parametrize("account_id", ["210987654321", "", FULLWIDTH])
def test_a_key_for_another_account_is_refused(account_id: str) -> None:
    with pytest.raises(LicenseWrongAccount, match=ACCOUNT):
        verify(NOON, account_id=account_id)


def test_a_revoked_key_is_refused_even_when_it_has_expired() -> None:
    for at in (NOON, NOON + timedelta(days=99)):
        with pytest.raises(LicenseRevoked, match="0b1c"):
            verify(at, revoked={"0b1c"})


def test_days_left_are_whole_days() -> None:
    claims, ends = verify(NOON), NOON + timedelta(days=30)
    assert [claims.days_left(ends - timedelta(days=days)) for days in (30, 2, 1, 0)] == [
        30,
        2,
        1,
        0,
    ]
    assert claims.days_left(ends - timedelta(days=2, seconds=-1)) == 1
    assert claims.days_left(ends + timedelta(days=5)) == 0
