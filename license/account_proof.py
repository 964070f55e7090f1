"""The proof that somebody holds credentials of an AWS account.

The vendor's panel gives out a challenge. The holder signs a request to sts:GetCallerIdentity (AWS
Signature Version 4) with a header that names the panel and the challenge, and does not send it. The
panel sends it to AWS, which answers with the account of the credentials. A proof contains no secret
key, and serves no other panel, challenge or API call.

This module defines the request and how a proof is written. It does not sign, and calls nothing.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

REGION = "us-east-1"
HOST = f"sts.{REGION}.amazonaws.com"
URL = f"https://{HOST}/"
BODY = "Action=GetCallerIdentity&Version=2011-06-15"
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
CHALLENGE_HEADER = "X-Threat-Reaction-Challenge"
MAX_AGE = timedelta(minutes=15)  # AWS accepts a signature for this long
MAX_LENGTH = 16_384  # characters of a proof

_SCOPE = rf"[0-9]{{8}}/{REGION}/sts/aws4_request"
_AUTHORIZATION = re.compile(
    rf"AWS4-HMAC-SHA256 Credential=[A-Z0-9]{{16,128}}/{_SCOPE},"
    r" SignedHeaders=content-type;host;x-amz-date;(?P<token>x-amz-security-token;)?"
    rf"{CHALLENGE_HEADER.lower()},"
    r" Signature=[0-9a-f]{64}",
    re.ASCII,
)
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9+/=]{1,8192}", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_:.-]{16,200}", re.ASCII)


class MalformedProof(ValueError):
    """The text is not a proof. The message is shown to people and quotes nothing of the text."""


class Proof(NamedTuple):
    """What a proof adds to the request, which is otherwise fixed."""

    statement: str  # the value of CHALLENGE_HEADER
    signed_at: str  # X-Amz-Date
    authorization: str
    security_token: str  # "" for credentials that do not expire


def is_challenge(text: str) -> bool:
    """Return whether the text has the form of a challenge, and can stand in a header."""
    return bool(_CHALLENGE.fullmatch(text))


def statement(panel_url: str, challenge: str) -> str:
    """Return the value of CHALLENGE_HEADER."""
    return f"{panel_url} {challenge}"


def headers_to_sign(panel_url: str, challenge: str) -> dict[str, str]:
    """Return the headers of the request before it is signed, without Host."""
    return {"Content-Type": CONTENT_TYPE, CHALLENGE_HEADER: statement(panel_url, challenge)}


def encode(signed: Mapping[str, str]) -> str:
    """Return the proof for the headers of the signed request."""
    return base64.b64encode(json.dumps(dict(signed)).encode()).decode()


def decode(text: str) -> Proof:
    """Return the proof. White space is ignored. Raises MalformedProof.

    Only the four values of a proof are taken from the text. Each must have the exact form that
    `headers_to_sign` leads to, so that the text chooses neither method, host, body nor headers.
    """
    text = "".join(text.split())
    if len(text) > MAX_LENGTH:
        raise MalformedProof("The text is too long to be a proof. Copy only the proof.")
    try:
        headers = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError):
        raise MalformedProof("This is not a proof. Copy it whole, and nothing else.") from None
    if not isinstance(headers, dict):
        raise MalformedProof("This is not a proof. Copy it whole, and nothing else.")
    said = {
        name.lower(): value
        for name, value in headers.items()
        if isinstance(value, str) and value.isascii() and value.isprintable()
    }
    proof = Proof(
        statement=said.get(CHALLENGE_HEADER.lower(), ""),
        signed_at=said.get("x-amz-date", ""),
        authorization=said.get("authorization", ""),
        security_token=said.get("x-amz-security-token", ""),
    )
    form = _AUTHORIZATION.fullmatch(proof.authorization)
    if (
        not form
        or not _DATE.fullmatch(proof.signed_at)
        or bool(form["token"]) != bool(proof.security_token)
        or not (proof.security_token == "" or _TOKEN.fullmatch(proof.security_token))
    ):
        raise MalformedProof(
            "The proof does not contain the signed request that is expected. Create a new one with"
            " the portal or with the command on this page."
        )
    return proof
