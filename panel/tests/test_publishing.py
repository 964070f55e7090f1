"""The public keys and the revocation list, as portals read them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from jwt.algorithms import RSAAlgorithm
from pytest_django.fixtures import Settings

from license import token
from license.keyring import Keyring, load_public_keys, thumbprint
from license.reasons import LicenseRevoked
from license.tests import keys
from license.token import RevocationList
from panel import issuing
from panel.models import Customer
from panel.tests.conftest import ACCOUNT, OTHER_ACCOUNT, Buy, start_trial

PEM, JWKS, LIST = "/panel/public-key.pem", "/.well-known/jwks.json", "/panel/revocations.jwt"

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # answers over HTTP
every_page = pytest.mark.parametrize("path", [PEM, JWKS, LIST])


def names(*private: RSAPrivateKey) -> list[str]:
    return [thumbprint(key.public_key()) for key in private]


def published() -> Keyring:
    return load_public_keys(Client().get(PEM).content)


def published_list(keyring: Keyring | None = None) -> RevocationList:
    return token.read_revocations(Client().get(LIST).content.decode(), keyring or published())


@pytest.fixture
def rotation(settings: Settings, tmp_path: Path) -> None:
    """The bundle contains the next key and, redundantly, our own."""
    path = tmp_path / "other-keys.pem"
    path.write_bytes(keys.public_pem(keys.other_key(), keys.vendor_key()))
    settings.LICENSE_OTHER_PUBLIC_KEYS = str(path)


def sign_with(key: RSAPrivateKey, settings: Settings, folder: Path) -> None:
    path = folder / "new-signing-key.pem"
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings.LICENSE_SIGNING_KEY = str(path)


@every_page
def test_anybody_reads_it_and_asks_cheaply_whether_it_has_changed(path: str) -> None:
    first = Client().get(path)
    assert first.status_code == 200
    assert not first.cookies
    assert "public" in first["Cache-Control"]
    again = Client().get(path, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert Client().get(path, headers={"If-None-Match": '"another"'}).content == first.content


@every_page
def test_it_is_only_read(path: str) -> None:
    assert (Client().head(path).status_code, Client().head(path).content) == (200, b"")
    for method in ("post", "put", "patch", "delete"):
        assert getattr(Client(), method)(path).status_code == 405, method


@every_page
def test_no_private_key_is_in_it(path: str, rotation: None) -> None:
    text = Client().get(path).content.decode()
    assert "PRIVATE" not in text
    for key in (keys.vendor_key(), keys.other_key()):
        private = json.loads(RSAAlgorithm.to_jwk(key))
        for member in ("d", "p", "q", "dp", "dq", "qi"):
            assert private[member] not in text, member
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        assert not set(pem.splitlines()) & set(text.splitlines())


@every_page
def test_without_a_key_it_answers_that_it_will_be_back(path: str, settings: Settings) -> None:
    settings.LICENSE_SIGNING_KEY = "/nowhere/signing-key.pem"
    response = Client(raise_request_exception=False).get(path)
    assert (response.status_code, "nowhere" in response.content.decode()) == (503, False)


@every_page
def test_it_has_a_new_etag_once_the_key_is_another(
    path: str, settings: Settings, tmp_path: Path
) -> None:
    old = Client().get(path)["ETag"]
    sign_with(keys.other_key(), settings, tmp_path)
    assert Client().get(path, headers={"If-None-Match": old}).status_code == 200


def test_the_pem_file_holds_the_key_that_signs() -> None:
    response = Client().get(PEM)
    assert response.content == keys.public_pem()
    assert response["Content-Type"] == "application/x-pem-file"


def test_during_a_rotation_the_pem_file_holds_both_keys_once_and_ours_first(
    rotation: None,
) -> None:
    assert list(published()) == names(keys.vendor_key(), keys.other_key())
    assert Client().get(PEM).content.count(b"-----BEGIN PUBLIC KEY-----") == 2


def test_the_jwk_set_holds_the_key_that_a_license_is_verified_with(alice: Customer) -> None:
    issued = start_trial(alice)
    (member,) = Client().get(JWKS).json()["keys"]
    assert member.keys() == {"kty", "n", "e", "kid", "alg", "use", "key_ops"}
    assert jwt.get_unverified_header(issued.key)["kid"] == member["kid"]
    rebuilt = RSAAlgorithm.from_jwk(json.dumps(member))
    assert not isinstance(rebuilt, RSAPrivateKey)
    said = jwt.decode(issued.key, rebuilt, algorithms=["RS256"], issuer="threatreaction.com")
    assert said["jti"] == issued.jti


def test_during_a_rotation_the_jwk_set_holds_the_keys_of_the_pem_file(rotation: None) -> None:
    members = jwt.PyJWKSet.from_dict(Client().get(JWKS).json()).keys
    assert [member.key_id for member in members] == list(published())
    assert [member.key for member in members] == list(published().values())


def test_the_list_is_empty_at_first_and_gains_what_is_revoked_or_replaced(
    alice: Customer, bob: Customer, buy: Buy, staff: User
) -> None:
    empty, seen = published_list(), Client().get(LIST)["ETag"]
    assert (empty.seq, empty.revoked) == (1, frozenset())
    trial, paid = start_trial(alice, account=OTHER_ACCOUNT), buy(bob)
    assert published_list() == empty  # what is issued changes nothing
    at = timezone.now()

    issuing.revoke(trial, by=staff, why="fraud", at=at)
    revoked = published_list()
    assert (revoked.seq, revoked.revoked) == (2, frozenset({trial.jti}))
    assert revoked.issued_at == at.replace(microsecond=0)
    response = Client().get(LIST, headers={"If-None-Match": seen})
    assert (response.status_code, response["ETag"] != seen) == (200, True)

    new = issuing.replace(paid, by=bob.user, why="in a chat", at=at)
    assert published_list().seq == 3
    assert published_list().revoked == {trial.jti, paid.jti}
    assert new.jti not in published_list().revoked


def test_a_portal_that_has_read_the_list_refuses_what_it_revokes(
    alice: Customer, buy: Buy, staff: User
) -> None:
    bad, good = start_trial(alice), buy(alice)
    issuing.revoke(bad, by=staff, why="fraud", at=timezone.now())
    validate = partial(
        token.verify,
        keyring=published(),
        account_id=ACCOUNT,
        now=timezone.now(),
        revoked=published_list().revoked,
    )
    with pytest.raises(LicenseRevoked, match=bad.jti):
        validate(bad.key)
    assert validate(good.key).jti == good.jti


def test_a_new_signing_key_signs_the_same_list_anew(
    alice: Customer, staff: User, settings: Settings, tmp_path: Path
) -> None:
    issuing.revoke(start_trial(alice), by=staff, why="fraud", at=timezone.now())
    before = published_list(keys.keyring())
    sign_with(keys.other_key(), settings, tmp_path)
    assert published_list(keys.keyring(keys.other_key())) == before
