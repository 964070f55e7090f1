"""The proof of an AWS account, checked by an STS that verifies signatures."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import travel

from license import account_proof as request_to_sign
from panel import account_proof
from panel.models import AccountProof, Act, Customer, IssuedLicense
from panel.tests.conftest import ACCOUNT, OTHER_ACCOUNT
from panel.tests.sts import Sts

pytestmark = pytest.mark.one_database  # calls to STS

TRIAL = "/panel/request-license?plan=trial"


@pytest.fixture(autouse=True)
def sts(aws: Sts, settings: Settings) -> Sts:
    settings.STS_ENDPOINT_URL = aws.url
    aws.asked.clear()
    aws.answers.clear()
    return aws


def challenge_on(client: Client) -> str:
    page = client.get(TRIAL).content.decode()
    (challenge,) = re.findall(r'<code id="challenge"[^>]*>([^<]+)</code>', page)
    return str(challenge)


def sign(
    sts: Sts,
    challenge: str,
    *,
    account: str = ACCOUNT,
    panel_url: str = "http://testserver/panel",
    body: str = request_to_sign.BODY,
) -> str:
    return sts.sign(challenge, account=account, panel_url=panel_url, body=body)


def ask(client: Client, proof: str, account: str = ACCOUNT) -> str:
    """Asks for a trial, and returns the page that answers."""
    asked = {"account_id": account, "name": "", "proof": proof}
    answer = client.post(TRIAL, asked, follow=True)
    assert answer.status_code == 200
    return html.unescape(re.sub(r"\s+", " ", answer.content.decode()))


def nothing_happened() -> bool:
    return not IssuedLicense.objects.exists() and not AccountProof.objects.exists()


def test_whoever_has_credentials_of_the_account_starts_its_trial(
    alice: Customer, alice_client: Client, sts: Sts
) -> None:
    page = ask(alice_client, sign(sts, challenge_on(alice_client)))
    assert "Your trial has started" in page
    assert IssuedLicense.objects.get().aws_account_id == ACCOUNT
    (sent,) = sts.asked
    assert sent["host"] == "sts.us-east-1.amazonaws.com"
    entry = Act.objects.get(kind=Act.Kind.PROVEN)
    assert entry.customer == alice
    assert entry.by == alice.user
    assert f"AWS account {ACCOUNT}: arn:aws:sts::{ACCOUNT}:assumed-role/portal" in entry.why


def test_the_command_of_the_page_makes_the_proof(
    alice_client: Client, sts: Sts, tmp_path: Path
) -> None:
    page = alice_client.get(TRIAL).content.decode()
    (command,) = re.findall(r'<code id="command">(.*?)</code>', page, re.DOTALL)
    (tmp_path / "python3").symlink_to(sys.executable)
    made = subprocess.run(
        ["bash", "-c", html.unescape(command)],
        env={
            **sts.credentials(ACCOUNT),
            "PATH": f"{Path(sys.executable).parent}:{tmp_path}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "Your trial has started" in ask(alice_client, made.stdout)


def test_a_proof_serves_once(alice: Customer, alice_client: Client, sts: Sts) -> None:
    proof = sign(sts, challenge_on(alice_client))
    account_proof.prove(alice, proof, account_id=ACCOUNT, by=alice.user, at=timezone.now())
    with pytest.raises(account_proof.ProofRefused, match="used already"):
        account_proof.prove(alice, proof, account_id=ACCOUNT, by=alice.user, at=timezone.now())
    assert AccountProof.objects.count() == 1


def test_a_proof_serves_nobody_else(alice_client: Client, bob_client: Client, sts: Sts) -> None:
    page = ask(bob_client, sign(sts, challenge_on(alice_client)))
    assert "another challenge" in page
    assert nothing_happened()
    assert not sts.asked


def test_a_proof_of_another_account_starts_nothing(alice_client: Client, sts: Sts) -> None:
    page = ask(alice_client, sign(sts, challenge_on(alice_client), account=OTHER_ACCOUNT))
    assert f"The proof is of AWS account {OTHER_ACCOUNT}, not of {ACCOUNT}." in page
    assert nothing_happened()


def altered(proof: str, name: str, old: str, new: str) -> str:
    headers = json.loads(base64.b64decode(proof))
    assert re.search(old, headers[name])
    headers[name] = re.sub(old, new, headers[name])
    return request_to_sign.encode(headers)


def test_what_aws_does_not_accept_is_refused(alice_client: Client, sts: Sts) -> None:
    proof = sign(sts, challenge_on(alice_client))
    for wrong in (
        altered(proof, "Authorization", r"Signature=.{4}", "Signature=0000"),
        altered(proof, "X-Amz-Security-Token", "^....", "AAAA"),
        sign(sts, challenge_on(alice_client), body="Action=GetSessionToken&Version=2011-06-15"),
    ):
        page = ask(alice_client, wrong)
        assert "AWS did not accept the proof" in page
        assert nothing_happened()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("Authorization", "us-east-1", "us-east-2"),
        ("Authorization", "/sts/", "/iam/"),
        ("Authorization", "host;", ""),
        ("Authorization", "host;", "host;x-other;"),
        ("Authorization", "$", "\r\nX-Other: 1"),
        ("X-Amz-Date", "^", "X"),
        ("X-Amz-Security-Token", ".*", ""),
        ("X-Amz-Security-Token", "^", "\n"),
    ],
)
def test_a_proof_chooses_nothing_of_the_request(
    alice_client: Client, sts: Sts, name: str, old: str, new: str
) -> None:
    proof = altered(sign(sts, challenge_on(alice_client)), name, old, new)
    page = ask(alice_client, proof)
    assert "does not contain the signed request" in page
    assert nothing_happened()
    assert not sts.asked


def test_other_headers_of_a_proof_reach_nobody(alice_client: Client, sts: Sts) -> None:
    headers = json.loads(base64.b64decode(sign(sts, challenge_on(alice_client))))
    headers |= {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "url": "http://x/"}
    assert "Your trial has started" in ask(alice_client, request_to_sign.encode(headers))
    (sent,) = sts.asked
    assert "evil" not in str(sent)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no proof",
        "e30=",
        "W10=",
        base64.b64encode(b"[" * 9000).decode(),
        base64.b64encode(b'{"Authorization": 1}').decode(),
        "x" * 20_000,
        "é",
    ],
)
def test_what_is_no_proof_is_told(alice_client: Client, sts: Sts, text: str) -> None:
    page = ask(alice_client, text)
    assert re.search(r"not a proof|does not contain|too long|Paste the proof", page)
    assert nothing_happened()
    assert not sts.asked


@pytest.mark.parametrize("account_id", ["\0", "1" * 500, "é"])
def test_any_account_may_stand_in_a_link(alice_client: Client, account_id: str) -> None:
    query = {"plan": "trial", "account_id": account_id}
    assert alice_client.get("/panel/request-license", query).status_code == 200


def test_a_proof_for_another_panel_is_refused(alice_client: Client, sts: Sts) -> None:
    proof = sign(sts, challenge_on(alice_client), panel_url="https://evil.example/panel")
    assert "for another panel" in ask(alice_client, proof)
    assert not sts.asked


def test_a_proof_is_too_old_after_15_minutes_and_a_challenge_after_an_hour(
    alice: Customer, sts: Sts
) -> None:
    now = timezone.now()
    with travel(now, tick=False) as clock:
        challenge = account_proof.new_challenge(alice)
        proof = sign(sts, challenge)

        def told(proof: str, after: timedelta) -> str:
            clock.move_to(now + after)
            with pytest.raises(account_proof.ProofRefused) as refused:
                account_proof.prove(
                    alice, proof, account_id=ACCOUNT, by=alice.user, at=timezone.now()
                )
            return str(refused.value)

        assert "older than 15 minutes" in told(proof, timedelta(minutes=15, seconds=1))
        clock.move_to(now + timedelta(minutes=61))
        late = sign(sts, challenge)
        assert "older than an hour" in told(late, timedelta(minutes=61))
        assert "date in the future" in told(late, timedelta(minutes=55))
    assert not sts.asked


ANSWER = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult>%s</GetCallerIdentityResult>"
    b"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"down"),
        (200, b"<html>captive portal</html>"),
        (200, b"not xml"),
        (302, b"http://169.254.169.254/"),
        (403, b""),
        (403, b"<ErrorResponse><Error/></ErrorResponse>"),
        (403, b"<ErrorResponse><Error>down</Error></ErrorResponse>"),
        (200, ANSWER % b"<Account>210987654321</Account><Account>1</Account>"),
    ],
)
def test_an_aws_that_is_out_of_order_is_told(
    alice_client: Client, sts: Sts, answer: tuple[int, bytes]
) -> None:
    proof = sign(sts, challenge_on(alice_client))
    sts.answers.append(answer)
    page = ask(alice_client, proof)
    assert "cannot reach AWS" in page
    assert "by hand" in page
    assert nothing_happened()
    assert len(sts.asked) == 1
    assert "Your trial has started" in ask(alice_client, proof)  # it was not used up


def test_without_aws_staff_approve_the_account(
    alice: Customer,
    alice_client: Client,
    staff: User,
    staff_client: Client,
    settings: Settings,
) -> None:
    settings.STS_ENDPOINT_URL = ""
    page = ask(alice_client, "")
    assert "we approve the account by hand" in page
    assert nothing_happened()
    done = staff_client.post(
        "/panel/admin/panel/customer/",
        {
            "action": "approve_account",
            "_selected_action": [str(alice.pk)],
            "confirmed": "yes",
            "account_id": ACCOUNT,
            "why": "Called the number on file.",
        },
        follow=True,
    )
    assert "Done: alice@example.com" in done.content.decode()
    assert Act.objects.get(kind=Act.Kind.APPROVED).by == staff
    assert "Your trial has started" in ask(alice_client, "")


def test_a_proof_is_in_no_log(
    alice_client: Client, sts: Sts, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    proof = sign(sts, challenge_on(alice_client))
    settings.STS_ENDPOINT_URL = "http://127.0.0.1:1/"  # nobody listens
    assert "cannot reach AWS" in ask(alice_client, proof)
    headers = json.loads(base64.b64decode(proof))
    assert "AWS STS cannot be reached: ConnectionError" in caplog.text
    for secret in (headers["Authorization"][-64:], headers["X-Amz-Security-Token"]):
        assert secret not in caplog.text
