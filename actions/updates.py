"""Whether there is a newer version than the one that runs, by the document at UPDATE_URL.

A worker reads it once a day, and when a user asks. The page reads only what the worker noted.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from packaging.version import InvalidVersion, Version

from actions.metrics import version
from serving import egress

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)
MAX_BYTES = 64 * 1024
TIMEOUT = 10.0  # seconds to connect, and between two parts of the answer
LONGEST = 20.0  # seconds for the whole answer

_CHECKED = "update-checked"
_FOUND = "update-found"  # change it with the fields of Update, as in actions.self_test
# Without characters that a URL must encode: a link contains nothing else.
_url = re.compile(r"https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?/[!#-;=?-\[\]_a-z~]{0,1000}")


class UpdateError(Exception):
    """The document could not be read. The text is for people."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a worker found when it looked last. `problem` is why it found nothing; "" if it did."""

    checked_at: datetime
    version: str = ""
    template_url: str = ""
    notes_url: str = ""
    problem: str = ""

    @property
    def is_newer(self) -> bool:
        """Whether this version is newer than the one that runs; False if either is unknown."""
        return not self.problem and is_newer(self.version, version())


def is_newer(found: str, running: str) -> bool:
    """Compares two versions as PEP 440 does; False if one is none."""
    try:
        return Version(found) > Version(running)
    except InvalidVersion:
        return False


def last() -> Update | None:
    """Returns what a worker found last; None if none has looked. Runs one query."""
    found: dict[str, Any] | None = cache.get(_FOUND)
    return Update(**found) if found and settings.UPDATE_URL else None


def ask() -> None:
    """Asks the workers to look now."""
    cache.delete(_CHECKED)


def is_asked() -> bool:
    """Whether a worker has yet to look."""
    return bool(settings.UPDATE_URL) and cache.get(_CHECKED) is None


def check_if_due(now: datetime) -> None:
    """Reads the document at UPDATE_URL, if that is set and no worker has read it for a day."""
    if not is_asked() or not cache.add(_CHECKED, True, timeout=int(EVERY.total_seconds())):
        return
    try:
        found = Update(now, *parsed(fetched(settings.UPDATE_URL)))
    except UpdateError as error:
        logger.warning("The update check failed. %s", error)
        found = Update(now, problem=str(error))
    cache.set(_FOUND, asdict(found), timeout=None)


def parsed(body: bytes) -> tuple[str, str, str]:
    """Returns version, template URL and notes URL of a document. Raises UpdateError."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise UpdateError("The answer is not JSON.") from None
    if not isinstance(document, dict):
        raise UpdateError("The answer is not a JSON object.")
    said = document.get("version")
    try:
        if not isinstance(said, str) or len(said) > 50:
            raise InvalidVersion
        found = str(Version(said))
    except InvalidVersion:
        raise UpdateError("The answer has no valid version.") from None
    urls = [document.get(name) or "" for name in ("template_url", "notes_url")]
    for url in urls:
        if url and (not isinstance(url, str) or not _url.fullmatch(url)):
            raise UpdateError("The answer has a link that is not a plain https URL.")
    return found, urls[0], urls[1]


def fetched(url: str) -> bytes:
    """Returns the body at an https URL, at most MAX_BYTES. Raises UpdateError.

    Follows no redirect, so that an answer cannot lead to another host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if not url.startswith("https://") or not host:
            raise ValueError
        connection = _Connection(host, port)
    except (ValueError, http.client.InvalidURL):
        raise UpdateError("UPDATE_URL must be a valid URL that begins with https://.") from None
    timer, is_over = None, threading.Event()
    try:
        connection.connect()
        # The timeout is for each part of an answer. This one is for a server that sends slowly.
        timer = threading.Timer(LONGEST, _cut, [connection.sock, is_over])
        timer.daemon = True
        timer.start()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/json"})
        with connection.getresponse() as response:
            if response.status != 200:
                raise UpdateError(f"The server answered with status {response.status}.")
            body = response.read(MAX_BYTES + 1)
    except egress.Refused:
        text = "UPDATE_URL leads to a private address that NOTIFY_ALLOWED_NETWORKS does not allow,"
        raise UpdateError(f"{text} or to a port below 1024 other than 443.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if is_over.is_set():
            raise UpdateError("The server took too long.") from None
        # Not its text, which can contain the URL.
        raise UpdateError(f"The server did not answer: {type(error).__name__}.") from None
    finally:
        if timer:
            timer.cancel()
        connection.close()
    if is_over.is_set():
        raise UpdateError("The server took too long.")
    if len(body) > MAX_BYTES:
        raise UpdateError(f"The answer has more than {MAX_BYTES // 1024} KiB.")
    return body


class _Connection(http.client.HTTPSConnection):
    """A connection that cannot be led inside: `egress` checks the address, after DNS."""

    def connect(self) -> None:
        """Connects. Raises egress.Refused and other OSErrors."""
        plain = egress.connect(
            self.host,
            self.port,
            allowed=egress.networks(settings.NOTIFY_ALLOWED_NETWORKS),
            is_encrypted=True,
            deadline=time.monotonic() + TIMEOUT,
        )
        try:
            plain.settimeout(TIMEOUT)
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def _cut(connected: socket.socket, is_over: threading.Event) -> None:
    """Ends a connection, below TLS, so that its reader gets an error or the end."""
    is_over.set()
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
