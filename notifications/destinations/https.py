"""Sends JSON over HTTPS to the URL of a destination, within a time and through `egress`."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from django.conf import settings as django_settings

from notifications.destinations.contract import (
    SEND_FOR,
    Answer,
    delivered,
    failed,
    printable,
    timed_out,
    without_secrets,
)
from serving.egress import (
    Network,
    Refused,
    TimedOut,
    connect,
    networks,
)

READ_AT_MOST = 4096  # bytes of an answer
LONGEST_WAIT = 24 * 60 * 60.0  # seconds of a Retry-After
_RETRY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_ASCII = re.compile(r"[!-~]+")


def allowed_networks() -> list[Network]:
    """Returns the private networks that destinations may be in: NOTIFY_ALLOWED_NETWORKS."""
    return networks(django_settings.NOTIFY_ALLOWED_NETWORKS)


def cleaned_url(value: str) -> str:
    """Returns the URL of a destination.

    Raises ValueError with a sentence if it is not one that `post_json` would take.
    """
    if "://" not in value:
        msg = "Enter a URL that begins with https://."
        raise ValueError(msg)
    _parts(value)
    return value


def _parts(url: str) -> tuple[SplitResult, int]:
    """Returns the parts and the port of a URL. Raises ValueError with a sentence."""
    # Parsers disagree about backslashes, spaces and user names: none of them is taken.
    if not _ASCII.fullmatch(url) or "\\" in url:
        msg = "Enter a URL of ASCII characters, without spaces and backslashes."
        raise ValueError(msg)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        msg = "The URL has no valid host or port."
        raise ValueError(msg) from None
    if parts.scheme == "http":
        if not django_settings.NOTIFY_ALLOWED_NETWORKS:
            msg = "The URL must begin with https://."
            raise ValueError(msg)
    elif parts.scheme != "https":
        msg = "The URL must begin with https://."
        raise ValueError(msg)
    if parts.username is not None or parts.password is not None:
        msg = "The URL must not contain a user name or a password."
        raise ValueError(msg)
    if not parts.hostname:
        msg = "The URL has no host."
        raise ValueError(msg)
    usual = 443 if parts.scheme == "https" else 80
    port = port if port is not None else usual
    if port < 1024 and port != usual:
        msg = f"The port of the URL must be {usual} or above 1023."
        raise ValueError(msg)
    return parts, port


class _Connection(http.client.HTTPConnection):
    """A connection whose address `egress` has checked. It knows no proxies and no redirects."""

    def __init__(
        self, host: str, port: int, *, is_tls: bool, allowed: Sequence[Network], deadline: float
    ) -> None:
        super().__init__(host, port)
        self.default_port = 443 if is_tls else 80  # which the header Host does not name
        self._is_tls, self._allowed, self._deadline = is_tls, allowed, deadline
        self.watchdog: threading.Timer | None = None

    def connect(self) -> None:
        """Connects. Raises Refused, TimedOut, OSError, UnicodeError."""
        plain = connect(
            self.host,
            self.port,
            allowed=self._allowed,
            is_encrypted=self._is_tls,
            deadline=self._deadline,
        )
        try:
            plain.settimeout(max(self._deadline - time.monotonic(), 0.01))
            self.sock = (
                ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
                if self._is_tls
                else plain
            )
        except BaseException:
            plain.close()
            raise
        # The timeout of a socket starts again with each byte. This one ends all at the deadline.
        self.watchdog = threading.Timer(
            max(self._deadline - time.monotonic(), 0), _shut, [self.sock]
        )
        self.watchdog.daemon = True
        self.watchdog.start()

    def end(self) -> None:
        """Closes the connection and ends the watchdog.

        Not `close`, which `getresponse` calls while the answer is still to be read.
        """
        if self.watchdog:
            self.watchdog.cancel()
        self.close()


def _shut(connection: socket.socket) -> None:
    """Ends all that reads or writes. `SSLSocket.shutdown` is not for other threads."""
    with suppress(OSError):  # it is closed
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def post_json(
    url: str, text: str, *, headers: Mapping[str, str] | None = None, secrets: Sequence[str] = ()
) -> Answer:
    """Sends the JSON `text` by POST, and returns what became of it within SEND_FOR seconds.

    Follows no redirect, uses no proxy, and shows of an answer at most a line, without the path of
    the URL and without `secrets`.
    """
    deadline = time.monotonic() + SEND_FOR
    try:
        parts, port = _parts(url)
        allowed = allowed_networks()
    except ValueError as error:
        return failed(str(error), retry=False)
    host = str(parts.hostname)
    connection = _Connection(
        host, port, is_tls=parts.scheme == "https", allowed=allowed, deadline=deadline
    )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(
            "POST",
            target,
            text.encode(),
            {
                "Content-Type": "application/json",
                "User-Agent": "ThreatReaction",
                "Connection": "close",
                **(headers or {}),
            },
        )
        response = connection.getresponse()
        if time.monotonic() >= deadline:  # the watchdog has cut its head short
            raise TimedOut
        return _answer(response, deadline, [parts.path, parts.query, *secrets])
    except Exception as error:
        return failure(error, host, is_over=time.monotonic() >= deadline)
    finally:
        connection.end()


def failure(error: Exception, host: str, *, is_over: bool) -> Answer:
    """Returns the answer to an attempt that ended with an exception.

    Raises the exception if it does not come from the network.
    """
    if isinstance(error, Refused):
        return failed(f"Refused: {host}: {error}", retry=False)
    if isinstance(error, UnicodeError):  # the host is not a name that DNS knows
        return failed(f"{host} is not a valid host name.", retry=False)
    if is_over or isinstance(error, TimeoutError | TimedOut):
        return timed_out(host)
    if isinstance(error, ssl.SSLCertVerificationError):
        return failed(f"TLS: {host}: {error.verify_message}", retry=True)
    if isinstance(error, ssl.SSLError):
        return failed(f"TLS: {host}: {error.reason or 'the handshake failed'}", retry=True)
    if isinstance(error, socket.gaierror):
        return failed(f"{host} could not be resolved.", retry=True)
    if isinstance(error, http.client.HTTPException):
        return failed(f"{host} did not answer with HTTP.", retry=True)
    if isinstance(error, OSError):
        why = error.strerror or type(error).__name__
        return failed(f"{host} could not be reached: {why}.", retry=True)
    raise error


def _answer(response: http.client.HTTPResponse, deadline: float, secrets: Sequence[str]) -> Answer:
    status = response.status
    if 200 <= status < 300:
        return delivered(status_line(status))  # its body is not read
    try:
        said = response.read(READ_AT_MOST).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        said = ""
    return of_status(status, response.headers.get("Retry-After"), without_secrets(said, *secrets))


def of_status(status: int, retry_after: str | None, said: str) -> Answer:
    """Returns the answer for an HTTP status that is not a success.

    `retry_after` is the header; `said` is the body, which must not contain a secret.
    """
    text = status_line(status)
    if 300 <= status < 400:
        return failed(f"{text}: redirects are not followed.", retry=False)
    said = printable(said)
    retry = status >= 500 or status in _RETRY
    return failed(
        f"{text}: {said}" if said else f"{text}.",
        retry=retry,
        retry_after=_seconds(retry_after) if retry else None,
    )


def status_line(status: int) -> str:
    """Returns a status with its name: "HTTP 404 Not Found"."""
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _seconds(value: str | None) -> float | None:
    """Returns the seconds in a Retry-After header, at most LONGEST_WAIT; None if it is invalid."""
    value = (value or "").strip()[:100]
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_WAIT)
