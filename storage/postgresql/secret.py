"""The user and password of a database, from AWS Secrets Manager."""

from __future__ import annotations

import functools
import json
import logging
import threading
import time
from dataclasses import dataclass, field

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.db import OperationalError

logger = logging.getLogger(__name__)

FRESH = 60  # seconds for which a process uses the secret without reading it again
CONFIG = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
)


@dataclass(frozen=True)
class Login:
    """A user and a password."""

    username: str
    password: str = field(repr=False)


class Secret:
    """A secret that RDS manages: JSON with `username` and `password`. Thread-safe."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self._lock = threading.Lock()
        self._last: Login | None = None
        self._read_at = 0.0

    def login(self, *, refused: Login | None = None) -> Login:
        """Returns the login of the last FRESH seconds, or reads it anew.

        Always reads it anew if the last one is `refused`, which the database did not accept. Raises
        OperationalError if it cannot be read, unless there is an older one that was not refused.
        """
        with self._lock:
            is_fresh = time.monotonic() - self._read_at < FRESH
            if self._last and is_fresh and self._last != refused:
                return self._last
            why_not = ""
            try:
                text = self._text()
            except (BotoCoreError, ClientError) as error:
                why_not = str(error)
            else:
                login = _parsed(text)
                if login:
                    self._last, self._read_at = login, time.monotonic()
                    return login
                why_not = "It is not JSON with a username and a password."
            logger.error("Secret %s cannot be read. %s", self.arn, why_not)
            if self._last and self._last != refused:
                self._read_at = time.monotonic()  # let others not wait for the same error
                return self._last  # the password is probably still valid
        # Outside the `except` block, so that no context shows what the secret contains.
        msg = f"Secret {self.arn} cannot be read. {why_not}"
        raise OperationalError(msg)

    def _text(self) -> str:
        # A new client each time: a fork must not share one, and threads must not make one at once.
        session = boto3.Session(region_name=self.arn.split(":")[3])
        client = session.client("secretsmanager", config=CONFIG)
        return str(client.get_secret_value(SecretId=self.arn).get("SecretString", ""))


def _parsed(text: str) -> Login | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    username, password = found.get("username"), found.get("password")
    if isinstance(username, str) and isinstance(password, str) and username and password:
        return Login(username, password)
    return None


of = functools.cache(Secret)  # one per process and ARN
