"""Signing with a PEM file and with AWS KMS, served by moto over HTTP."""

from __future__ import annotations

import hashlib
import logging
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from moto.server import ThreadedMotoServer
from pytest_django.fixtures import Settings

from license import token
from license.claims import Plan
from license.keyring import load_public_keys, thumbprint
from license.tests import keys
from panel import issuing, signing
from panel.models import Act, Customer, IssuedLicense
from panel.signing import KmsKey, SigningError
from panel.tests.conftest import ACCOUNT, start_trial

pytestmark = pytest.mark.one_database  # calls to KMS


@contextmanager
def aws_kms() -> Iterator[str]:
    """The URL of a KMS server."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def make_kms_key(url: str, spec: str = "RSA_2048", usage: str = "SIGN_VERIFY") -> dict[str, Any]:
    client = boto3.session.Session().client("kms", endpoint_url=url)
    metadata: dict[str, Any] = client.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
    return metadata


@pytest.fixture(scope="module")
def kms_url() -> Iterator[str]:
    with aws_kms() as url:
        yield url


@pytest.fixture
def kms(kms_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms_url)
    signing._kms_public_key.cache_clear()
    yield kms_url
    signing._kms_public_key.cache_clear()


def nobody_listens() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def assert_nothing_is_issued(customer: Customer, told: str) -> None:
    with pytest.raises(SigningError, match=told) as refused:
        start_trial(customer)
    assert not re.search(r"[A-Za-z0-9+/]{45}", str(refused.value))  # no line of a key
    assert not IssuedLicense.objects.exists()
    assert not Act.objects.exclude(kind=Act.Kind.APPROVED).exists()


def test_a_pem_file_signs_what_a_portal_accepts(alice: Customer) -> None:
    issued = start_trial(alice)
    said = token.verify(issued.key, keyring=keys.keyring(), account_id=ACCOUNT, now=timezone.now())
    assert (said.jti, said.plan) == (issued.jti, Plan.TRIAL)


def pem(key: Any = None, encryption: KeySerializationEncryption | None = None) -> bytes:
    private: bytes = (key or keys.vendor_key()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
    )
    return private


def weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505


BAD_FILES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "read by its group": (pem, 0o640, r"chmod 600 key\.pem"),
    "read by all": (pem, 0o604, r"chmod 600 key\.pem"),
    "not RSA": (lambda: pem(ec.generate_private_key(ec.SECP256R1())), 0o600, "not an RSA key"),
    "too short": (lambda: pem(weak_key()), 0o600, "1024 bits"),
    "encrypted": (lambda: pem(encryption=BestAvailableEncryption(b"x")), 0o600, "Decrypt it"),
    "public": (lambda: keys.public_pem(), 0o600, "not a PEM private key"),
    "empty": (lambda: b"", 0o600, "not a PEM private key"),
}


@pytest.mark.parametrize("problem", BAD_FILES)
def test_a_key_file_that_must_not_sign_issues_nothing_and_is_told_without_its_path(
    alice: Customer, settings: Settings, tmp_path: Path, problem: str
) -> None:
    make, mode, told = BAD_FILES[problem]
    path = tmp_path / "key.pem"
    path.write_bytes(make())
    path.chmod(mode)
    settings.LICENSE_SIGNING_KEY = str(path)
    assert_nothing_is_issued(alice, rf"^(?!.*{tmp_path}).*{told}")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("", r"^LICENSE_SIGNING_KEY is not set\.$"),
        ("/nowhere/key.pem", r"^The signing key key\.pem cannot be read: No such file"),
        ("kms:", r"^AWS KMS "),
        ("kms:alias/licenses", r"can be moved to another key"),
    ],
)
def test_a_setting_that_names_no_key_issues_nothing(
    alice: Customer, settings: Settings, kms: str, named: str, told: str
) -> None:
    settings.LICENSE_SIGNING_KEY = named
    assert_nothing_is_issued(alice, told)


@pytest.mark.parametrize("name", ["KeyId", "Arn"])
def test_a_key_of_kms_signs_licenses_and_the_list_as_the_published_key_tells(
    alice: Customer, staff: User, settings: Settings, kms: str, client: Client, name: str
) -> None:
    settings.LICENSE_SIGNING_KEY = f"kms:{make_kms_key(kms)[name]}"
    issued = start_trial(alice)
    issuing.revoke(issued, by=staff, why="fraud", at=timezone.now())
    published = load_public_keys(client.get("/panel/public-key.pem").content)
    said = token.verify(issued.key, keyring=published, account_id=ACCOUNT, now=timezone.now())
    assert said.kid != thumbprint(keys.vendor_key().public_key())
    text = client.get("/panel/revocations.jwt").content.decode()
    assert token.read_revocations(text, published).revoked == {issued.jti}


@pytest.mark.parametrize(
    ("spec", "usage"),
    [("ECC_NIST_P256", "SIGN_VERIFY"), ("RSA_2048", "ENCRYPT_DECRYPT")],
)
def test_a_key_of_kms_that_is_not_for_licenses_issues_nothing(
    alice: Customer, settings: Settings, kms: str, spec: str, usage: str
) -> None:
    settings.LICENSE_SIGNING_KEY = f"kms:{make_kms_key(kms, spec, usage)['KeyId']}"
    assert_nothing_is_issued(alice, "create an RSA_2048 signing key")


def test_a_key_that_kms_does_not_know_issues_nothing(
    alice: Customer, settings: Settings, kms: str
) -> None:
    settings.LICENSE_SIGNING_KEY = "kms:11111111-2222-3333-4444-555555555555"
    assert_nothing_is_issued(alice, r"^AWS KMS refused get_public_key: NotFoundException\.$")


@pytest.mark.parametrize("answered_before", [False, True])
def test_a_kms_that_does_not_answer_issues_nothing(
    alice: Customer,
    settings: Settings,
    kms: str,
    monkeypatch: pytest.MonkeyPatch,
    answered_before: bool,
) -> None:
    settings.LICENSE_SIGNING_KEY = f"kms:{make_kms_key(kms)['KeyId']}"
    if answered_before:
        signing.published_keys()  # the public half is known from now on
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", nobody_listens())
    assert_nothing_is_issued(alice, r"^AWS KMS request failed: EndpointConnectionError\.$")


@pytest.mark.parametrize(("length", "kind"), [(4096, "RAW"), (4097, "DIGEST")])
def test_kms_is_sent_the_hash_of_what_is_too_long_for_it(
    kms: str, caplog: pytest.LogCaptureFixture, length: int, kind: str
) -> None:
    key, message = KmsKey(make_kms_key(kms)["KeyId"]), b"x" * length
    with caplog.at_level(logging.DEBUG, "botocore.endpoint"):  # it writes down what it sends
        signature = key.sign(message, PKCS1v15(), SHA256())
    assert re.search(rf'"MessageType": "{kind}"', caplog.text)
    # moto 5.2.5 ignores MessageType and hashes what it is given: where AWS takes a digest as it is,
    # moto's signature is over the digest as if that were the message.
    signed = message if kind == "RAW" else hashlib.sha256(message).digest()
    key.public_key().verify(signature, signed, PKCS1v15(), SHA256())
