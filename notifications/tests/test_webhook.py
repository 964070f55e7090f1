"""Signed webhooks, against a real server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest_django.fixtures import Settings
from standardwebhooks import Webhook

from notifications.destinations import KINDS, new_secret
from notifications.tests.receiver import Receiver
from notifications.tests.sending import MESSAGE, SECRET, posted, send


def test_a_webhook_is_signed_with_both_secrets_while_one_is_rotated(
    webhook_server: Receiver,
) -> None:
    old = new_secret()
    settings = KINDS["webhook"].clean(
        {"url": webhook_server.url + "/hook", "secret": SECRET, "previous_secret": old}
    )
    assert KINDS["webhook"].send(settings, MESSAGE).delivered
    [request] = webhook_server.requests
    for key in (SECRET, old):
        assert Webhook(key).verify(request.body, dict(request.headers)) == MESSAGE.data
    assert (request.path, request.headers["webhook-id"]) == ("/hook", MESSAGE.id)


def test_the_documents_show_receivers_how_to_verify(
    webhook_server: Receiver, settings: Settings
) -> None:
    document = (settings.BASE_DIR / "docs/operations.md").read_text()
    section = document.partition("### Verify a webhook\n")[2]
    example: dict[str, Any] = {}
    exec(section.partition("```python\n")[2].partition("```")[0], example)  # noqa: S102
    old = new_secret()
    given = {"url": webhook_server.url, "secret": SECRET, "previous_secret": old}
    KINDS["webhook"].send(given, MESSAGE)
    [request] = webhook_server.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    is_genuine = example["is_genuine"]
    assert is_genuine(SECRET, headers, request.body)
    assert is_genuine(old, headers, request.body)
    assert not is_genuine(new_secret(), headers, request.body)
    assert not is_genuine(SECRET, headers, request.body + b" ")
    assert not is_genuine(SECRET, headers | {"webhook-id": "other"}, request.body)
    assert not is_genuine(SECRET, headers | {"webhook-timestamp": "1700000000"}, request.body)


def test_an_id_that_does_not_fit_into_a_header_is_the_same_at_each_attempt(
    webhook_server: Receiver,
) -> None:
    for _ in range(2):
        assert send("webhook", webhook_server, replace(MESSAGE, id="a.b\r\nX: y")).delivered
    first, second = (request.headers["webhook-id"] for request in webhook_server.requests)
    assert first == second
    assert first.isalnum()


def test_data_that_is_too_large_is_replaced_by_the_text(webhook_server: Receiver) -> None:
    large = replace(MESSAGE, data={"finding": "x" * 300_000})
    assert send("webhook", webhook_server, large).delivered
    assert posted(webhook_server)["truncated"] is True
    assert posted(webhook_server)["text"] == MESSAGE.text
