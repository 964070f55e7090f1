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

    def __call__(self, principal: str) -> Mapping[str, str]:
        """Returns the tags; none of other accounts, and none if IAM does not answer."""
        parsed = _PRINCIPAL.fullmatch(principal)
        if parsed is None or parsed[1] != settings.AWS_ACCOUNT_ID:
            return {}
        until, found = self._kept.get(principal, (0.0, {}))
        if until > time.monotonic():
            return found
        lasts, found = KEPT_FOR, {}
        try:
            found = self._look_up(parsed[2], parsed[3])
        except (BotoCoreError, ClientError) as error:
            lasts = FAILED_FOR
            logger.warning("IAM did not tell the tags of a principal: %s.", type(error).__name__)
        self._kept[principal] = time.monotonic() + lasts, found
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return found

    def _look_up(self, kind: str, name: str) -> Mapping[str, str]:
        if kind == "role":  # IAM allows 50 tags, which is one page
            tags = self._iam.list_role_tags(RoleName=name)["Tags"]
        else:
            tags = self._iam.list_user_tags(UserName=name)["Tags"]
        return {one["Key"]: one["Value"] for one in tags}
