"""Tests of all rules of license keys, with real signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given
from hypothesis import strategies as st

from license import token
from license.claims import LicenseClaims, Plan
from license.keyring import thumbprint
from license.reasons import (
    LicenseBadSignature,
    LicenseError,
    LicenseExpired,
    LicenseMalformed,
    LicenseNotYetValid,
    LicenseRevoked,
    LicenseWrongAccount,
)
from license.tests.keys import (
    ACCOUNT,
    keyring,
    make_license,
    now,
    other_key,
    public_pem,
    vendor_key,
)

FULLWIDTH = "".join(chr(ord(digit) + 0xFEE0) for digit in ACCOUNT)  # digits to str.isdigit()
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HEADER = {"alg": "RS256", "kid": thumbprint(vendor_key().public_key()), "typ": "license+jwt"}
CLAIMS = {
    "iss": "threatreaction.com",
    "jti": "0b1c",
    "aws_account_id": ACCOUNT,
    "plan": "paid",
    "iat": int(NOON.timestamp()),
    "nbf": int(NOON.timestamp()),
    "exp": int((NOON + timedelta(days=30)).timestamp()),
}


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def sign(header: object, claims: object, key: RSAPrivateKey | None = None) -> str:
    """Return a token with a valid signature and any content. Bytes are used unchanged."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)
    ]
    return sign_text(".".join(map(b64, parts)), key)


def sign_text(signed: str, key: RSAPrivateKey | None = None) -> str:
    signature = (key or vendor_key()).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64(signature)}"


def read(key: str) -> LicenseClaims:
    return token.read(key, keyring())


def claims_with(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (CLAIMS | changed).items() if value is not ...}


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


# --- Forgeries (RFC 8725 and its kin) ---------------------------------------------------------


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", None, "RS384", "PS256", "HS256"]
)
def test_no_algorithm_but_rs256_is_taken(alg: object) -> None:
    signed = sign(HEADER | {"alg": alg}, CLAIMS)
    for key in (signed, signed.rpartition(".")[0] + ".", signed.rpartition(".")[0] + ".AAAA"):
        with pytest.raises(LicenseMalformed):
            read(key)


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_the_public_key_is_no_hmac_secret(alg: str) -> None:
    signed = f"{b64(json.dumps(HEADER | {'alg': alg}).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    mac = hmac.new(public_pem(), signed.encode(), hashlib.sha256).digest()
    with pytest.raises(LicenseError):
        read(f"{signed}.{b64(mac)}")


def test_an_elliptic_signature_is_not_taken() -> None:
    signed = f"{b64(json.dumps(HEADER).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    signature = ec.generate_private_key(ec.SECP256R1()).sign(
        signed.encode(), ec.ECDSA(hashes.SHA256())
    )
    with pytest.raises(LicenseBadSignature):
        read(f"{signed}.{b64(signature)}")


def test_pss_padding_under_the_name_of_rs256_is_not_taken() -> None:
    signed = f"{b64(json.dumps(HEADER).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    with pytest.raises(LicenseBadSignature):
        read(f"{signed}.{b64(vendor_key().sign(signed.encode(), pss, hashes.SHA256()))}")


def _jwk(key: RSAPrivateKey) -> dict[str, str]:
    n = key.public_key().public_numbers().n
    return {"kty": "RSA", "e": "AQAB", "n": b64(n.to_bytes(256, "big"))}


@pytest.mark.parametrize(
    "member",
    [
        pytest.param({"jwk": _jwk(other_key())}, id="jwk"),
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"x5t": "abc"},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
        {"cty": "JWT"},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
        {"x": 1},
    ],
    ids=str,
)
def test_the_header_brings_nothing_along(member: dict[str, Any]) -> None:
    for signing_key in (vendor_key(), other_key()):
        with pytest.raises(LicenseMalformed, match="header"):
            read(sign(HEADER | member, CLAIMS, signing_key))


@pytest.mark.parametrize("name", sorted(HEADER))
def test_the_header_is_complete(name: str) -> None:
    with pytest.raises(LicenseMalformed):
        read(sign({key: value for key, value in HEADER.items() if key != name}, CLAIMS))


@pytest.mark.parametrize(
    "kid",
    [
        pytest.param(thumbprint(other_key().public_key()), id="another key"),
        "",
        "../../etc/passwd",
        "public/public-key.pem",
        "' OR 1",
    ],
)
def test_an_unknown_key_id_selects_nothing(kid: str) -> None:
    with pytest.raises(LicenseBadSignature, match="not a trusted key"):
        read(sign(HEADER | {"kid": kid}, CLAIMS))


@pytest.mark.parametrize("kid", [None, 1, [], {}, [HEADER["kid"]]])
def test_a_key_id_is_a_string(kid: object) -> None:
    with pytest.raises(LicenseMalformed, match="kid"):
        read(sign(HEADER | {"kid": kid}, CLAIMS))


def test_a_stranger_who_names_the_vendors_key_is_refused() -> None:
    with pytest.raises(LicenseBadSignature):
        read(sign(HEADER, CLAIMS, other_key()))


@pytest.mark.parametrize(
    "typ", ["JWT", "at+jwt", "license-revocations+jwt", "LICENSE+JWT", "", None]
)
def test_another_kind_of_token_is_no_license(typ: object) -> None:
    with pytest.raises(LicenseMalformed, match="typ"):
        read(sign(HEADER | {"typ": typ}, CLAIMS))


def test_a_revocation_list_is_no_license_and_a_license_is_no_revocation_list() -> None:
    listed = token.issue_revocations(
        signing_key=vendor_key(), seq=1, issued_at=now(), revoked=["a"]
    )
    with pytest.raises(LicenseMalformed, match="typ"):
        read(listed)
    with pytest.raises(token.RevocationsError, match="typ"):
        token.read_revocations(make_license(), keyring())


@pytest.mark.parametrize("cut", [".", "..", "...", "a.b", "a.b.c.d", "", " ", "a..c", ".b.c"])
def test_what_is_not_three_parts_is_no_key(cut: str) -> None:
    with pytest.raises(LicenseMalformed):
        read(cut)


def test_the_claims_of_one_key_do_not_fit_the_signature_of_another() -> None:
    (header, payload, _), (*_, signature) = (
        make_license(days=900).split("."),
        make_license().split("."),
    )
    with pytest.raises(LicenseBadSignature, match="altered"):
        read(f"{header}.{payload}.{signature}")


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


# --- Claims -----------------------------------------------------------------------------------


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


def verify(at: datetime, *, account_id: str = ACCOUNT, revoked: Any = ()) -> LicenseClaims:
    return token.verify(
        sign(HEADER, CLAIMS), keyring=keyring(), account_id=account_id, now=at, revoked=revoked
    )


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
