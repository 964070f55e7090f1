"""Any other service, by its Apprise URL (https://appriseit.com/services/)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings

from notifications.destinations.contract import (
    HIDDEN,
    SEND_FOR,
    Answer,
    Field,
    Kind,
    Message,
    delivered,
    failed,
    lines,
    printable,
    timed_out,
)

TITLE_LENGTH = 250
TEXT_LENGTH = 5000  # characters; Apprise cuts to the limit of the service
_TYPES = {"CRITICAL": "failure", "HIGH": "failure", "MEDIUM": "warning", "LOW": "info"}
# What mentions people or makes links in one service or another looks the same, and does neither.
_INERT = str.maketrans(
    # "@" and a space of no width; single angle quotation marks; full-width brackets.
    {"@": "@\u200b", "<": "\u2039", ">": "\u203a", "[": "\uff3b", "]": "\uff3d"}
)


class ByApprise(Kind):
    """Sends by the library Apprise, in a process of its own that `apprise_send` describes."""

    name = "apprise"
    label = "Apprise"
    fields = (
        Field(
            "url",
            "Apprise URL",
            "The URL of a service that Apprise sends to over HTTPS, such as discord:// or ntfys://.",
            secret=True,
        ),
    )

    def cleaned(self, name: str, value: str) -> str:
        """Returns the URL. Raises ValueError. Starts a process, which takes a second."""
        error = _run({"url": value}).get("error")
        if error:
            raise ValueError(error)
        return value

    def send(self, settings: Mapping[str, str], message: Message) -> Answer:
        """Sends the message. Nothing in it mentions people or makes links."""
        text = lines(message.text, TEXT_LENGTH).translate(_INERT)
        title = printable(message.title, TITLE_LENGTH).translate(_INERT)
        result = _run(
            {
                "url": settings["url"],
                "title": title,
                "text": "\n\n".join(part for part in (text, message.url) if part) or title,
                "type": "success" if message.resolved else _TYPES.get(message.severity, "info"),
            }
        )
        if result.get("delivered"):
            return delivered(result["text"])
        if "error" in result:
            return failed(result["error"], retry=result.get("retry", False))
        return failed(result["text"], retry=result["retry"], retry_after=result.get("retry_after"))

    def masked(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Returns the schema of the URL only: the rest can be a token."""
        return {
            name: f"{printable(value.partition('://')[0], 40)}://{HIDDEN}"
            for name, value in settings.items()
        }


def _run(order: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the result of the process. It gets secrets by stdin only, and no environment."""
    whole = {"allowed": django_settings.NOTIFY_ALLOWED_NETWORKS, "seconds": SEND_FOR, **order}
    try:
        process = subprocess.run(
            [sys.executable, "-B", "-m", "notifications.destinations.apprise_send"],
            input=json.dumps(whole).encode(),
            capture_output=True,
            cwd=django_settings.BASE_DIR,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            timeout=SEND_FOR,
            check=True,
        )
        result = json.loads(process.stdout)
    except subprocess.TimeoutExpired:
        late = timed_out("The destination")
        return {"error": late.text, "retry": late.retry}
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        return {"error": f"Apprise could not be run: {type(error).__name__}.", "retry": True}
    return result if isinstance(result, dict) else {}
