"""Tests of forged license keys (RFC 8725 and its kin), with real signatures."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from license import token
from license.keyring import thumbprint
from license.reasons import LicenseBadSignature, LicenseError, LicenseMalformed
from license.tests.keys import keyring, make_license, now, other_key, public_pem, vendor_key
from license.tests.tokens import CLAIMS, HEADER, b64, read, sign


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
