"""A process that checks or sends one message by Apprise, and ends.

Apprise makes its own connections, so this process guards all of them before it imports Apprise: an
audit hook, which nothing can remove, sees the address that each socket connects to. The process has
no environment, starts no program, writes no file, and reads none outside Python's own folders.

It reads an order as JSON from stdin and writes the result as JSON to stdout; `by_apprise` calls it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from notifications.destinations.https import failure, of_status, status_line
from serving.egress import Network, Refused, may_connect, networks

MEMORY = 2 * 1024**3  # bytes of address space, which an answer without end cannot exceed
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED_EVENTS = {
    "os.chmod",
    "os.chown",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.system",
    "os.truncate",
    "pty.spawn",
    "socket.sendto",
    "sqlite3.connect",
    "subprocess.Popen",
}


REFUSED = "Refused: the destination has an address or a port that is not allowed."


class Guard:
    """What this process may do.

    `refused` is true once it tried to reach an address inside. With `is_plain`, what it sends is
    not encrypted: then it reaches only the allowed networks.
    """

    def __init__(self, allowed: Sequence[Network]) -> None:
        self.refused = self.is_plain = False
        self._allowed = allowed
        paths = sysconfig.get_paths()
        names = ("stdlib", "platstdlib", "purelib", "platlib")
        self._readable = [
            os.path.realpath(path) + os.sep
            for path in (*(paths[name] for name in names), "/usr/share/zoneinfo")
        ]

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Raises an OSError that prevents the event, if this process must not do it."""
        if event == "socket.connect":
            self._connect(args[1])
        elif event == "socket.sendmsg":
            if args[1] is not None:
                raise PermissionError(event)
        elif event == "open":
            self._open(args[0], args[2])
        elif event in _REFUSED_EVENTS:
            raise PermissionError(event)

    def _connect(self, place: object) -> None:
        # A host name is not an address: what resolves it later is not checked.
        if isinstance(place, tuple) and may_connect(
            str(place[0]), place[1], allowed=self._allowed, is_encrypted=not self.is_plain
        ):
            return
        self.refused = True
        raise Refused(REFUSED)

    def _open(self, path: object, flags: object) -> None:
        if isinstance(path, int):
            return
        if not isinstance(flags, int) or flags & _WRITES:
            raise PermissionError("open")
        name = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]  # str, bytes or Path
        if not any(name.startswith(folder) for folder in self._readable):
            raise PermissionError("open")


def main() -> None:
    """Carries out the order: `url`, `allowed`, `seconds`, and, to send, `title`, `text`, `type`."""
    order = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.setitimer(signal.ITIMER_REAL, order["seconds"])  # ends this process, also without parent
    guard = Guard(networks(order["allowed"]))
    sys.addaudithook(guard.hook)
    stdout, sys.stdout = sys.stdout, sys.stderr  # a library may print
    try:
        result = carry_out(order, guard)
    except Exception as error:
        # Only the name: Apprise's texts contain tokens.
        result = {"error": f"Apprise failed: {type(error).__name__}.", "retry": True}
    json.dump(result, stdout)


def carry_out(order: Mapping[str, Any], guard: Guard) -> dict[str, Any]:
    """Returns `error`; or {} for a URL that can be used; or what became of the message."""
    import apprise

    asset = apprise.AppriseAsset(
        app_id="ThreatReaction",
        app_desc="Threat Reaction",
        image_path_mask=False,
        result_log_disk_size=0,
    )
    plugin: Any = apprise.Apprise.instantiate(order["url"], asset=asset)
    if why := _why_not(plugin):
        return {"error": why}
    guard.is_plain = not _encrypts(plugin)
    if guard.is_plain and not order["allowed"]:
        text = "This URL of Apprise does not encrypt. Use its variant with TLS, such as jsons://."
        return {"error": text}
    if "text" not in order:
        return {}
    answers = Answers(order["seconds"])
    answers.watch()
    sender = apprise.Apprise(asset=asset)
    sender.add(plugin)
    outcome = sender.notify(
        title=order["title"], body=order["text"], notify_type=order["type"], body_format="text"
    )
    # Not the status of `outcome`: with "?optional=yes" it is a success in any case.
    results = list(outcome)
    if results and all(result.attempts and result.attempts[-1] for result in results):
        return {"delivered": True, "text": answers.text}
    if guard.refused:
        return {
            "text": REFUSED,
            "retry": False,
        }
    return {"text": answers.text, "retry": answers.retry, "retry_after": answers.retry_after}


def _why_not(plugin: Any) -> str:
    """Returns why a service is not allowed, or "".

    Allowed is what sends with the library `requests`. That leaves out services that talk to the
    local desktop or to other programs, write files, or have a protocol of their own.
    """
    if plugin is None:
        return "Apprise does not know this URL, or it is not complete."
    if "requests" not in vars(sys.modules[type(plugin).__module__]):
        return "This service of Apprise does not send over HTTPS."
    if not plugin.verify_certificate:
        return "The certificate must be verified: remove verify=no."
    return ""


def _encrypts(plugin: Any) -> bool:
    secure = type(plugin).secure_protocol or ()
    schema = urlsplit(plugin.url()).scheme
    return schema in ((secure,) if isinstance(secure, str) else secure)


class Answers:
    """What services answered over HTTP. The last answer or exception counts."""

    def __init__(self, seconds: float) -> None:
        self.text = "Apprise reported a failure."
        self.retry = True
        self.retry_after: float | None = None
        self._deadline = time.monotonic() + seconds

    def watch(self) -> None:
        """Changes `requests` for this process: no redirect, no proxy, and the answers are noted."""
        import requests

        original: Callable[..., requests.Response] = requests.Session.send

        def send(
            session: requests.Session, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            options |= {"allow_redirects": False, "verify": True, "proxies": {}}
            options["timeout"] = max(self._deadline - time.monotonic(), 0.01)
            try:
                response = original(session, request, **options)
            except Exception as error:
                self._note_error(error, urlsplit(request.url or "").hostname or "The destination")
                raise
            self._note(response)
            return response

        requests.Session.send = send  # type: ignore[assignment,method-assign]  # in this process

    def _note(self, response: Any) -> None:
        status = response.status_code
        if 200 <= status < 300:
            self.text, self.retry, self.retry_after = status_line(status), True, None
        else:
            # Its body is not shown: it can repeat the token.
            answer = of_status(status, response.headers.get("Retry-After"), "")
            self.text, self.retry, self.retry_after = (
                answer.text,
                answer.retry,
                answer.retry_after,
            )

    def _note_error(self, error: Exception, host: str) -> None:
        import requests

        self.retry, self.retry_after = True, None
        if isinstance(error, requests.exceptions.SSLError):
            self.text = f"TLS: {host}: the certificate or the handshake failed."
        elif isinstance(error, requests.exceptions.Timeout):
            self.text = failure(TimeoutError(), host, is_over=True).text
        else:
            self.text = f"{host} could not be reached."


if __name__ == "__main__":
    main()
