"""Tests of the form of license keys, and of issuing them, with real signatures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from license.claims import Plan
from license.reasons import LicenseError, LicenseMalformed
from license.tests.keys import ACCOUNT, make_license, other_key
from license.tests.tokens import (
    ALPHABET,
    CLAIMS,
    HEADER,
    NOON,
    b64,
    claims_with,
    read,
    sign,
    sign_text,
    verify,
)


def test_a_key_says_what_was_issued() -> None:
    key = make_license(
        jti="a", plan="trial", not_before=NOON, days=14, customer="Ops & Söhne", revokes=["b", "c"]
    )
    claims = read(key)
    assert claims == replace(
        claims,
        kid=HEADER["kid"],
        jti="a",
        aws_account_id=ACCOUNT,
        plan=Plan.TRIAL,
        not_before=NOON,
        expires_at=NOON + timedelta(days=14),
        customer="Ops & Söhne",
        revokes=("b", "c"),
    )


def test_the_white_space_of_a_mail_client_is_forgiven() -> None:
    key = make_license()
    wrapped = "\r\n  ".join(key[i : i + 64] for i in range(0, len(key), 64))
    assert read(f"\n\t {wrapped} \r\n") == read(key)


@pytest.mark.parametrize(
    "character", ["=", "+", "/", "\0", "\N{ZERO WIDTH SPACE}", "é", "%20", '"']
)
def test_no_other_character_is_forgiven(character: str) -> None:
    key = make_license()
    for spoiled in (key + character, character + key, key.replace(".", character + ".", 1)):
        with pytest.raises(LicenseMalformed):
            read(spoiled)


# --- Form -------------------------------------------------------------------------------------


def test_a_key_of_eight_kibibytes_is_read_and_one_octet_more_is_not() -> None:
    def of_length(length: int) -> str:
        for pad in range(length):
            key = sign(HEADER, CLAIMS | {"pad": "x" * (pad + 5000)})
            if len(key) >= length:
                return key
        raise AssertionError

    key = of_length(8 * 1024 - 3)
    assert read(key).jti == "0b1c"
    with pytest.raises(LicenseMalformed, match="8 KiB"):
        read(key + "A" * (8 * 1024 + 1 - len(key)))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'\xef\xbb\xbf{"iss": 1}',
        b'{"jti": "\xe9"}',
        b"[" * 2500,
        b'{"exp": ' + b"9" * 5000 + b"}",
        b'{"exp": NaN}',
        b'{"exp": -Infinity}',
        b'{"a": 1} ' + b"{}",
    ],
    ids=lambda payload: repr(payload[:12]),
)
def test_what_is_not_strict_json_is_refused(payload: bytes) -> None:
    with pytest.raises(LicenseMalformed):
        read(sign(HEADER, payload))
    with pytest.raises(LicenseMalformed):
        read(sign(payload, CLAIMS))


def test_the_same_member_twice_is_refused_at_any_depth() -> None:
    whole = json.dumps(CLAIMS)
    for payload in (
        whole[:-1] + ', "plan": "paid"}',
        whole[:-1] + ', "x": [{"y": {"a": 1, "a": 1}}]}',
        whole[:-1] + r', "pl\u0061n": "paid"}',
    ):
        with pytest.raises(LicenseMalformed, match="duplicate member"):
            read(sign(HEADER, payload.encode()))
    with pytest.raises(LicenseMalformed, match="duplicate member"):
        read(sign((json.dumps(HEADER)[:-1] + ', "alg": "RS256"}').encode(), CLAIMS))


def test_a_second_spelling_of_the_same_octets_is_refused() -> None:
    key = make_license()
    # 256 octets leave four bits of the last character without a meaning.
    respelled = key[:-1] + ALPHABET[ALPHABET.index(key[-1]) + 1]
    with pytest.raises(LicenseMalformed, match="canonical"):
        read(respelled)


@pytest.mark.parametrize("part", [0, 1])
def test_a_second_spelling_of_header_or_payload_is_refused(part: int) -> None:
    parts = [json.dumps(said).encode() for said in (HEADER, claims_with(jti="abc"))]
    parts[part] += b" " * (len(parts[part]) % 3 == 0)  # else no bits of the last character are left
    spelled = [b64(octets) for octets in parts]
    assert read(sign_text(".".join(spelled)))
    spelled[part] = spelled[part][:-1] + ALPHABET[ALPHABET.index(spelled[part][-1]) + 1]
    with pytest.raises(LicenseMalformed, match="canonical"):
        read(sign_text(".".join(spelled)))


# --- Issuing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"aws_account_id": "1"}, {"plan": "gold"}, {"jti": ""}, {"days": 0}, {"days": 2000},
        {"customer": "\n"}, {"jti": "a", "revokes": ["a"]}, {"customer": "\ud800"},
        {"revokes": ["x" * 100] * 100}, {"not_before": datetime(1999, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)  # fmt: skip
def test_nothing_is_issued_that_would_not_be_read(claims: dict[str, Any]) -> None:
    with pytest.raises(LicenseError):
        make_license(**claims)


# --- Anything ---------------------------------------------------------------------------------


@given(st.one_of(st.text(), st.binary().map(lambda octets: octets.decode("latin-1"))))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    with pytest.raises(LicenseError):
        read(text)


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "customer", "revokes", "x"]), _json, min_size=1))
def test_claims_of_any_kind_are_read_or_refused(changed: dict[str, Any]) -> None:
    try:
        claims = read(sign(HEADER, CLAIMS | changed))
    except LicenseError:
        return
    assert claims.aws_account_id == changed.get("aws_account_id", ACCOUNT)


@given(st.data())
def test_a_key_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    key = sign(HEADER, CLAIMS)
    place = data.draw(st.integers(0, len(key) - 1))
    character = data.draw(st.characters(codec="ascii").filter(lambda c: c != key[place]))
    with pytest.raises(LicenseError):
        read(key[:place] + ("~" if character.isspace() else character) + key[place + 1 :])


def every_error() -> list[Callable[[], object]]:
    return [
        lambda: verify(NOON - timedelta(1)),
        lambda: verify(NOON + timedelta(99)),
        lambda: verify(NOON, account_id="1"),
        lambda: verify(NOON, revoked={"0b1c"}),
        lambda: read(sign(HEADER, CLAIMS, other_key())),
        lambda: read(sign(HEADER | {"typ": "JWT"}, CLAIMS)),
        lambda: read(sign(HEADER, CLAIMS) + "!"),
    ]


@pytest.mark.parametrize("fail", every_error())
def test_no_refusal_repeats_the_key(fail: Callable[[], object]) -> None:
    with pytest.raises(LicenseError) as refused:
        fail()
    parts = [part for part in sign(HEADER, CLAIMS).split(".") if part]
    assert not any(part[:20] in f"{refused.value!r} {refused.value}" for part in parts)
