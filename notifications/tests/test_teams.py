"""Microsoft Teams gets what it accepts, and shows it literally."""

from __future__ import annotations

from dataclasses import replace

from notifications.tests.receiver import Receiver
from notifications.tests.sending import HOSTILE, MESSAGE, posted, send


def test_teams_shows_a_hostile_text_literally(webhook_server: Receiver) -> None:
    assert send("teams", webhook_server, HOSTILE).delivered
    [attachment] = posted(webhook_server)["attachments"]
    card = attachment["content"]
    # Text runs know no Markdown; without entities, <at> mentions nobody.
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert "entities" not in card["msteams"]
    assert card["body"][1]["inlines"][0]["text"].startswith("<http://evil.example|click> [click]")
    assert [action["url"] for action in card["actions"]] == [MESSAGE.url]


def test_teams_gets_at_most_what_it_accepts(webhook_server: Receiver) -> None:
    send("teams", webhook_server, replace(MESSAGE, title="🔥" * 9999, text="🔥\n" * 9999))
    assert len(webhook_server.requests[0].body) < 28_000
    send("teams", webhook_server, replace(MESSAGE, text="🔥" * 9999))
    assert len(webhook_server.requests[1].body) < 28_000
