"""Proves to the vendor's panel that the portal runs in its AWS account. Calls no API of AWS."""

from __future__ import annotations

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from django.conf import settings

from license import account_proof


def sign(challenge: str) -> str | None:
    """Returns the proof for this challenge of the panel at settings.PANEL_URL.

    Signs with the credentials of this process, in AWS those of its task. Returns None if it has
    none.
    """
    try:
        credentials = boto3.Session().get_credentials()
        if credentials is None:
            return None
        frozen = credentials.get_frozen_credentials()
    except BotoCoreError:  # they cannot be obtained or renewed
        return None
    request = AWSRequest(
        "POST",
        account_proof.URL,
        headers=account_proof.headers_to_sign(settings.PANEL_URL, challenge),
        data=account_proof.BODY,
    )
    SigV4Auth(frozen, "sts", account_proof.REGION).add_auth(request)
    return account_proof.encode(request.headers)
