"""The tags of IAM users and roles, which no record of CloudTrail has.

They are looked up only for buckets that allow a tag, and kept for some minutes in the process.
"""

from __future__ import annotations

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

logger = logging.getLogger(__name__)

KEPT_FOR = 10 * 60.0  # seconds
FAILED_FOR = 60.0
KEPT_MAX = 10_000
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):(user|role)/(?:.*/)?([^/]+)")

TagsOf = Callable[[str], Mapping[str, str]]


def none_of(principal: str) -> Mapping[str, str]:
    """Returns no tags, for who cannot ask IAM."""
    return {}


class Tags:
    """Looks up the tags of principals of the portal's own account."""

    def __init__(self, session: boto3.Session) -> None:
        config = Config(
            connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}
        )
        self._iam: Any = session.client("iam", config=config)
        self._kept: OrderedDict[str, tuple[float, Mapping[str, str]]] = OrderedDict()
        self._silent_until = 0.0  # after a failure, nobody is asked about

    def __call__(self, principal: str) -> Mapping[str, str]:
        """Returns the tags; none of other accounts.

        If IAM does not answer, returns what it last told, and asks about nobody for FAILED_FOR: a
        file can name hundreds of principals, whose events must be counted all the same.
        """
        parsed = _PRINCIPAL.fullmatch(principal)
        if parsed is None or parsed[1] != settings.AWS_ACCOUNT_ID:
            return {}
        until, found = self._kept.get(principal, (0.0, {}))
        if max(until, self._silent_until) > time.monotonic():
            return found
        try:
            found = self._look_up(parsed[2], parsed[3])
        except (BotoCoreError, ClientError) as error:
            self._silent_until = time.monotonic() + FAILED_FOR
            logger.warning("IAM did not tell the tags of a principal: %s.", type(error).__name__)
            return found
        self._kept[principal] = time.monotonic() + KEPT_FOR, found
        self._kept.move_to_end(principal)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return found

    def _look_up(self, kind: str, name: str) -> Mapping[str, str]:
        try:
            if kind == "role":  # IAM allows 50 tags, which is one page
                tags = self._iam.list_role_tags(RoleName=name)["Tags"]
            else:
                tags = self._iam.list_user_tags(UserName=name)["Tags"]
        except self._iam.exceptions.NoSuchEntityException:
            return {}  # it was deleted
        return {one["Key"]: one["Value"] for one in tags}
