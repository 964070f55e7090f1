"""Access to the AWS accounts of findings.

In the portal's own account, the worker's own role acts. In every other account, the worker assumes
the role that deploy/member.yaml creates there.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils import timezone

from actions import members
from actions.aws.outcome import CONFIG, ContainmentError, failure

_KEPT = 1000  # sessions whose credentials are kept
_SPARE = timedelta(minutes=5)  # credentials are renewed this long before they end


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials whose account AWS has confirmed."""

    account_id: str
    arn: str  # of the caller
    session: boto3.Session
    credentials: dict[str, str] = field(repr=False)  # empty for those of the session
    ends_at: datetime | None = None  # None if boto3 renews them

    def client(self, service: str, *, region: str = "", config: Config = CONFIG) -> Any:
        """Returns a boto3 client; in the region of the session if `region` is ""."""
        region_name = region or self.session.region_name
        return self.session.client(
            service, region_name=region_name, config=config, **self.credentials
        )

    def is_caller(self, kind: str, name: str) -> bool:
        """Returns whether this IAM role or user is the caller itself."""
        resource = self.arn.rpartition(":")[2].split("/")
        return (
            resource[0] == {"role": "assumed-role", "user": "user"}[kind] and name in resource[1:]
        )


class Accounts:
    """Opens access to accounts, and keeps it until its credentials end.

    `session` has the worker's own credentials. `config` is for the calls to STS.
    """

    def __init__(self, session: boto3.Session, config: Config = CONFIG) -> None:
        self._session = session
        self._config = config
        self._sts: Any = session.client("sts", config=config)
        self._kept: OrderedDict[tuple[str, str], Access] = OrderedDict()

    def access(self, account_id: str, *, session_name: str) -> Access:
        """Returns access to the account. Raises ContainmentError if there is none.

        CloudTrail in the account shows `session_name`, in which characters that AWS does not allow
        are replaced. Before it returns new credentials, asks AWS which account they are of.
        """
        is_own = account_id == settings.AWS_ACCOUNT_ID
        key = (account_id, "" if is_own else valid_session_name(session_name))
        kept = self._kept.get(key)
        if kept and (kept.ends_at is None or kept.ends_at > timezone.now() + _SPARE):
            return kept
        try:
            access = self._own() if is_own else self._assumed(*key)
        except (BotoCoreError, ClientError) as error:
            raise failure(error) from error
        if access.account_id != account_id:
            raise ContainmentError(
                f"The credentials are of account {access.account_id}, not of"
                f" {account_id or 'the finding'}. Nothing was changed."
            )
        self._kept[key] = access
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return access

    def _own(self) -> Access:
        return self._confirmed({}, None)

    def _assumed(self, account_id: str, session_name: str) -> Access:
        if refused := members.against_account(account_id):
            raise ContainmentError(refused, prevented=True)
        partition = self._session.get_partition_for_region(self._session.region_name)
        try:
            answer = self._sts.assume_role(
                RoleArn=f"arn:{partition}:iam::{account_id}:role/{members.ROLE}",
                RoleSessionName=session_name,
                ExternalId=settings.MEMBER_EXTERNAL_ID,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            problem = members.MISSING.format(account_id)
            members.tried(account_id, problem, at=timezone.now())
            raise ContainmentError(problem, prevented=True) from error
        given = answer["Credentials"]
        credentials = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        access = self._confirmed(credentials, given["Expiration"])
        if access.account_id == account_id:
            members.tried(account_id, "", at=timezone.now())
        return access

    def _confirmed(self, credentials: dict[str, str], ends_at: datetime | None) -> Access:
        sts = self._sts
        if credentials:
            sts = self._session.client("sts", config=self._config, **credentials)
        identity = sts.get_caller_identity()
        return Access(identity["Account"], identity["Arn"], self._session, credentials, ends_at)


_of_session: WeakKeyDictionary[boto3.Session, Accounts] = WeakKeyDictionary()


def accounts_of(session: boto3.Session) -> Accounts:
    """Returns the accounts that this session opens, always the same object."""
    if session not in _of_session:
        _of_session[session] = Accounts(session)
    return _of_session[session]


def valid_session_name(finding_id: str) -> str:
    """Returns the name of a session for a finding, with the characters and length of AWS."""
    return re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", f"threatreaction-{finding_id}")[:64]


def try_asked(session: boto3.Session) -> None:
    """Tries the roles that users asked for on the Accounts page, and notes whether they answer."""
    for account_id in members.asked():
        try:
            Accounts(session).access(account_id, session_name="try")  # not kept, so it is asked
        except ContainmentError as error:
            members.tried(account_id, str(error), at=timezone.now())
