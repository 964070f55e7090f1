"""PagerDuty's incidents are opened and resolved."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from notifications.destinations import KINDS, pagerduty
from notifications.tests.receiver import Receiver
from notifications.tests.sending import MESSAGE, ROUTING_KEY, posted


def test_pagerduty_opens_and_resolves_one_incident(
    webhook_server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pagerduty.ENDPOINTS, "eu", webhook_server.url + "/v2/enqueue")
    kind = KINDS["pagerduty"]
    settings = kind.clean({"routing_key": ROUTING_KEY, "region": "EU"})
    webhook_server.status = 202
    assert kind.send(settings, MESSAGE).delivered
    event = posted(webhook_server)
    assert event["event_action"] == "trigger"
    assert event["dedup_key"] == "testserver/finding-1"
    assert event["payload"]["severity"] == "error"
    assert event["payload"]["summary"] == MESSAGE.title
    assert event["client_url"] == MESSAGE.url
    assert kind.send(settings, replace(MESSAGE, id="msg_2", resolved=True)).delivered
    assert posted(webhook_server) == {
        "routing_key": ROUTING_KEY,
        "event_action": "resolve",
        "dedup_key": event["dedup_key"],
    }
    webhook_server.status, webhook_server.body = 400, f'{{"errors": ["{ROUTING_KEY}"]}}'.encode()
    assert kind.send(settings, MESSAGE).text == "HTTP 400 Bad Request."


def test_what_sums_up_opens_no_incident(
    webhook_server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pagerduty.ENDPOINTS, "us", webhook_server.url + "/v2/enqueue")
    webhook_server.status = 202
    digest = replace(MESSAGE, key="digest:1", sums_up=True)
    assert KINDS["pagerduty"].send({"routing_key": ROUTING_KEY}, digest).delivered
    assert webhook_server.requests[0].path == "/v2/change/enqueue"
    assert posted(webhook_server)["payload"]["summary"] == MESSAGE.title
    assert "event_action" not in posted(webhook_server)


def test_a_long_key_of_an_incident_stays_the_same(
    webhook_server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pagerduty.ENDPOINTS, "us", webhook_server.url)
    for resolved in (False, True):
        message = replace(MESSAGE, key="k" * 300, resolved=resolved)
        KINDS["pagerduty"].send({"routing_key": ROUTING_KEY}, message)
    first, second = (json.loads(request.body)["dedup_key"] for request in webhook_server.requests)
    assert first == second
    assert len(first) <= 255
