"""Finds out whether a customer holds credentials of an AWS account.

AWS decides: the panel sends a request that the customer signed (license.account_proof) to
settings.STS_ENDPOINT_URL, and to nothing else. Where AWS cannot be asked, staff approve an account.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import botocore.session
import requests
from botocore.parsers import ResponseParserError, create_parser
from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables
from urllib3.exceptions import HTTPError

from license import account_proof
from license.account_proof import MalformedProof, Proof
from panel import customers
from panel.models import AccountProof, Act, Customer

logger = logging.getLogger(__name__)

CHALLENGE_LASTS = timedelta(hours=1)
_AHEAD = timedelta(minutes=5)  # how far the clock that signs may be ahead, as at AWS
_TIMEOUT = 10  # seconds
_MAX_ANSWER = 65_536  # bytes
_signer = signing.TimestampSigner(salt="panel.account_proof")


UNREACHABLE = (
    "The panel cannot reach AWS at the moment, so it cannot check the proof. Try again later, or"
    " contact us: we can approve the account by hand."
)
NOT_ASKED = (
    "This panel cannot ask AWS whether the account is yours. Contact us: we approve the account by"
    " hand, and you start the trial here."
)
_COMMAND = """\
python3 - <<'END'
import base64, json
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session
request = AWSRequest("POST", "{url}", data="{body}", headers={headers!r})
credentials = get_session().get_credentials().get_frozen_credentials()
SigV4Auth(credentials, "sts", "{region}").add_auth(request)
print(base64.b64encode(json.dumps(dict(request.headers)).encode()).decode())
END
"""


class ProofRefused(Exception):
    """The account is not proven. The text is shown to people."""


class _SignedBy(NamedTuple):
    account_id: str
    arn: str


def can_ask_aws() -> bool:
    """Whether the panel can send proofs to AWS. If not, only staff can approve accounts."""
    return bool(settings.STS_ENDPOINT_URL)


def new_challenge(customer: Customer) -> str:
    """Returns a challenge for this customer, which is valid for CHALLENGE_LASTS."""
    return _signer.sign(f"{customer.pk}-{secrets.token_urlsafe(16)}")


def is_proven(customer: Customer, account_id: str) -> bool:
    """Whether the customer has proven this account, or staff have approved it."""
    return AccountProof.objects.filter(customer=customer, aws_account_id=account_id).exists()


def command(challenge: str) -> str:
    """Returns a shell command that signs the challenge with the AWS SDK for Python."""
    headers = account_proof.headers_to_sign(settings.PANEL_URL, challenge)
    return _COMMAND.format(
        url=account_proof.URL,
        body=account_proof.BODY,
        headers=headers,
        region=account_proof.REGION,
    )


@sensitive_variables()
def prove(customer: Customer, text: str, *, account_id: str, by: User, at: datetime) -> None:
    """Stores that the account is the customer's, if AWS says so of the proof `text`.

    Raises ProofRefused. A proof of another panel, customer or time is refused before AWS is asked.
    """
    if not can_ask_aws():
        raise ProofRefused(NOT_ASKED)
    if not text.strip():
        raise ProofRefused("Paste the proof that the AWS account is yours.")
    try:
        proof = account_proof.decode(text)
    except MalformedProof as malformed:
        raise ProofRefused(str(malformed)) from None
    challenge = _challenge_in(proof, customer)
    _check_age(proof, at)
    signer = _signer_according_to_aws(_send(proof))
    if signer.account_id != account_id:
        msg = f"The proof is of AWS account {signer.account_id}, not of {account_id}."
        raise ProofRefused(msg)
    try:
        with transaction.atomic():
            _record(customer, account_id, challenge=challenge, by=by, at=at, why=signer.arn)
    except IntegrityError:
        raise ProofRefused("This proof has been used already. Create a new one.") from None


@transaction.atomic
def approve(customer: Customer, *, account_id: str, by: User, why: str, at: datetime) -> None:
    """Stores that staff have verified by other means that the account is the customer's."""
    _record(customer, account_id, challenge=None, by=by, at=at, why=why)


def _record(
    customer: Customer, account_id: str, *, challenge: str | None, by: User, at: datetime, why: str
) -> None:
    AccountProof.objects.create(customer=customer, aws_account_id=account_id, challenge=challenge)
    customers.record(
        Act.Kind.PROVEN if challenge else Act.Kind.APPROVED,
        customer,
        by=by,
        at=at,
        why=f"AWS account {account_id}: {why}",
    )


def _challenge_in(proof: Proof, customer: Customer) -> str:
    panel_url, _, challenge = proof.statement.partition(" ")
    if panel_url != settings.PANEL_URL:
        msg = f"The proof is for another panel. It must be for {settings.PANEL_URL}."
        raise ProofRefused(msg)
    try:
        said = _signer.unsign(challenge, max_age=CHALLENGE_LASTS)
    except signing.SignatureExpired:
        msg = "The challenge is older than an hour. Create a proof with the challenge below."
        raise ProofRefused(msg) from None
    except signing.BadSignature:
        said = ""
    if said.partition("-")[0] != str(customer.pk):
        msg = "The proof is for another challenge. Create a proof with the challenge below."
        raise ProofRefused(msg)
    return challenge


def _check_age(proof: Proof, at: datetime) -> None:
    try:
        signed_at = datetime.strptime(proof.signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ProofRefused("The proof has an invalid date. Create a new one.") from None
    if at - signed_at > account_proof.MAX_AGE:
        raise ProofRefused("The proof is older than 15 minutes. Create a new one.")
    if signed_at - at > _AHEAD:
        raise ProofRefused(
            "The proof has a date in the future. Correct the clock of the computer that created it."
        )


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


@sensitive_variables()
def _send(proof: Proof) -> _Answer:
    headers = {
        "Host": account_proof.HOST,
        "Content-Type": account_proof.CONTENT_TYPE,
        account_proof.CHALLENGE_HEADER: proof.statement,
        "X-Amz-Date": proof.signed_at,
        "Authorization": proof.authorization,
    }
    if proof.security_token:
        headers["X-Amz-Security-Token"] = proof.security_token
    try:
        with requests.post(
            settings.STS_ENDPOINT_URL,
            data=account_proof.BODY,
            headers=headers,
            auth=lambda request: request,  # a .netrc file must not replace the signature
            allow_redirects=False,
            timeout=_TIMEOUT,
            stream=True,
        ) as answer:
            return _Answer(answer.status_code, answer.headers, answer.raw.read(_MAX_ANSWER))
    except (requests.RequestException, HTTPError, OSError) as error:
        logger.error("AWS STS cannot be reached: %s", type(error).__name__)
        raise ProofRefused(UNREACHABLE) from None


def _signer_according_to_aws(answer: _Answer) -> _SignedBy:
    """Returns whose credentials signed the request. Raises ProofRefused unless AWS says so."""
    sts = botocore.session.get_session().get_service_model("sts")
    parser: Any = create_parser("query")
    try:
        said = parser.parse(
            {"body": answer.body, "headers": answer.headers, "status_code": answer.status},
            sts.operation_model("GetCallerIdentity").output_shape,
        )
    except (ResponseParserError, KeyError):  # the latter: XML that is no answer
        said = {}
    error = said.get("Error")
    if 400 <= answer.status < 500 and isinstance(error, dict) and (code := error.get("Code")):
        logger.warning("AWS STS refused a proof: %s", re.sub(r"\W", "", str(code))[:60])
        raise ProofRefused(
            "AWS did not accept the proof. Its credentials may have expired, or the text was"
            " changed. Create a new proof."
        )
    account_id = str(said.get("Account", ""))  # a list, if the element is there twice
    if answer.status != 200 or not re.fullmatch(r"[0-9]{12}", account_id, re.ASCII):
        logger.error("AWS STS answered with status %d and no account.", answer.status)
        raise ProofRefused(UNREACHABLE)
    return _SignedBy(account_id, str(said.get("Arn", ""))[:2048])
