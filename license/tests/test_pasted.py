"""Tests of the hints for texts that are not a license key, and of pasted private keys."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.test import Client

from license import pasted, token
from license.models import License
from license.reasons import LicenseMalformed
from license.tests import keys
from license.tests.keys import make_license
from license.tests.pages import words

pytestmark = pytest.mark.one_database  # texts about what was pasted

KEY = make_license()
WRAPPED = "\n".join(KEY[at : at + 70] for at in range(0, len(KEY), 70))
PEM = keys.vendor_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
DER = keys.vendor_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
PKCS1 = keys.vendor_key().private_bytes(
    Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
)
MAIL = f"From: licenses@threatreaction.com\nSubject: Your license\n\nHello,\n\n{WRAPPED}\n\nBye"

HINTS = {
    f'"{KEY}"': "it is in quotation marks",
    f"“{WRAPPED}”\n": "it is in quotation marks",
    f"LICENSE_KEY={KEY}": "it begins with LICENSE_KEY",
    f"export LICENSE_KEY='{KEY}'": "it begins with LICENSE_KEY",
    "https://threatreaction.com/panel/licenses/1": "it is a URL",
    json.dumps({"key": KEY}): "it is JSON",
    MAIL: "it is a whole email",
    "> " + MAIL.replace("\n", "\n> "): "it is a whole email",
    "On Monday you wrote:\n> " + WRAPPED.replace("\n", "\n> "): "it is quoted from an email",
    f"\ufeff{KEY}": "it begins with a byte order mark",
    f"{KEY[:50]}\u200b{KEY[50:]}": r"it contains an invisible character \(U\+200B\)",
    f"{KEY}\n{KEY}": "it contains the same key more than once",
    f"{KEY}\n{make_license()}": "it contains more than one key",
    KEY[: KEY.rindex(".")]: "it is incomplete",
    keys.public_pem().decode(): r"it is a PEM block \(PUBLIC KEY\)",
    PEM: "it is a private key.*replace the key pair",
    f"Hello, {KEY}": "paste only the key",
}


@pytest.mark.parametrize(("text", "hint"), HINTS.items(), ids=range(len(HINTS)))
def test_a_text_that_is_no_key_is_rejected_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(LicenseMalformed, match=hint) as refused:
        token.read(text, keys.keyring())
    assert KEY[:40] not in str(refused.value)
    assert PEM[40:80] not in str(refused.value)


@pytest.mark.parametrize(
    "text", ['"kty"', '"d" ', ">", "> ", "\n", " \n", "From", "eyJ.", "a.", "PRIVATE ", "MII"]
)
def test_a_long_text_is_judged_in_a_moment(text: str) -> None:
    begun = time.process_time()
    pasted.mistake(text * (2**20 // len(text)))
    assert time.process_time() - begun < 2


SECRETS = {
    "PEM": PEM,
    "a quoted mail": "> " + PEM.replace("\n", "\n> "),
    "without its first line": PEM.partition("\n")[2],
    "DER": b64encode(DER).decode(),
    "PKCS #1": b64encode(PKCS1).decode(),
    "JWK": json.dumps({"kty": "RSA", "n": "AQAB", "d": b64encode(DER).decode()}),
    "after a key": f"{KEY}\n{PEM}",
}


@pytest.mark.parametrize("path", ["/license", "/license/preview", "/admin/license/license/add/"])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_pasted_private_key_is_not_shown_again(
    administrator_client: Client, path: str, secret: str
) -> None:
    response = administrator_client.post(path, {"key": secret})
    assert response.status_code == 200
    page = response.content.decode()
    assert "it is a private key." in page
    assert "replace the key pair" in page
    parts = re.findall(r"[A-Za-z0-9/]{20}", secret.removeprefix(KEY))
    assert parts
    assert not any(part in page for part in parts)
    assert not License.objects.exists()


def test_a_refusal_stands_once_before_the_form_and_has_the_focus(
    administrator_client: Client,
) -> None:
    response = administrator_client.post("/license", {"key": f'"{KEY}"'})
    page = response.content.decode()
    assert words(response.content).count("it is in quotation marks") == 1
    assert page.index("autofocus") < page.index('id="id_key_error"') < page.index("<textarea")
    field = page[page.index("<textarea") :].partition(">")[0]
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="id_key_helptext id_key_error"' in field
    assert f"&quot;{KEY}&quot;</textarea>" in page


def test_a_file_in_utf_16_is_named(administrator_client: Client) -> None:
    text = KEY.encode("utf-16").decode(errors="replace")
    response = administrator_client.post("/license", {"key": text})
    assert "Save it as UTF-8." in words(response.content)
