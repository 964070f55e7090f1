"""Slack gets what it accepts, and shows it literally."""

from __future__ import annotations

from dataclasses import replace

from notifications.tests.receiver import Receiver
from notifications.tests.sending import HOSTILE, MESSAGE, posted, send


def test_slack_shows_a_hostile_text_literally(webhook_server: Receiver) -> None:
    assert send("slack", webhook_server, HOSTILE).delivered
    body = posted(webhook_server)
    title, text, link = (block["text"]["text"] for block in body["blocks"])
    assert title == "*A Bcc: evil@example.com &lt;!channel&gt; @everyone*"
    assert text.startswith("&lt;http://evil.example|click&gt;")
    assert text.endswith("&amp; gnp.exe")
    assert link == "<https://portal.example/events/1|Open in Threat Reaction>"
    assert all(block["text"]["verbatim"] for block in body["blocks"])
    assert body["text"] == "\n".join([title, text, link])


def test_slack_gets_at_most_what_it_accepts(webhook_server: Receiver) -> None:
    send("slack", webhook_server, replace(MESSAGE, title="<" * 9999, text="&" * 9999))
    texts = [block["text"]["text"] for block in posted(webhook_server)["blocks"]]
    assert all(len(text) <= 3000 for text in texts)
    assert texts[1].replace("&amp;", "") == "…"  # no half of an escape
