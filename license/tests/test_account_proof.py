"""Tests of the page that proves the AWS account to the panel."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from license import account_proof
from license.tests.pages import read

pytestmark = pytest.mark.one_database  # texts and pages

PROOF = "/license/account-proof"
CHALLENGE = "7-Zm9vYmFyYmF6cXV4:1tN0ab:QWxsIHlvdXIgYmFzZQ"


def test_an_administrator_proves_the_account_without_a_license(
    administrator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f'href="{PROOF}"' in administrator_client.get("/license").content.decode()
    assert "Challenge" in read(administrator_client, PROOF)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-that-is-not-shown")
    response = administrator_client.get(PROOF, {"challenge": CHALLENGE})
    assert "no-store" in response.headers["Cache-Control"]
    assert "secret-that" not in response.content.decode()
    (made,) = re.findall(r'<code id="proof">([^<]+)<', response.content.decode())
    proof = account_proof.decode(html.unescape(made))
    assert proof.statement == f"https://threatreaction.com/panel {CHALLENGE}"
    assert "secret-that" not in str(proof)


def test_without_aws_credentials_the_page_says_what_to_do(
    administrator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    page = read(administrator_client, f"{PROOF}?challenge={CHALLENGE}")
    assert "no AWS credentials" in page
    assert "CloudShell" in page


@pytest.mark.parametrize(
    "challenge", ["", "short", "x" * 301, f"{CHALLENGE}\nX-Other: 1", "é" * 40]
)
def test_what_is_no_challenge_is_not_signed(administrator_client: Client, challenge: str) -> None:
    page = administrator_client.get(PROOF, {"challenge": challenge}).content.decode()
    assert 'id="proof"' not in page
    assert 'role="alert"' in page


def test_only_administrators_prove_the_account(viewer_client: Client) -> None:
    assert PROOF not in viewer_client.get("/license").content.decode()
    assert viewer_client.get(PROOF, {"challenge": CHALLENGE}).status_code == 403
