"""Apprise sends in a process of its own, and reaches nothing inside."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from notifications.destinations import KINDS, Answer, BadDestination, apprise_send, by_apprise
from notifications.tests.receiver import Receiver, drip, receiver
from notifications.tests.sending import HOSTILE, MESSAGE, TOKEN, posted


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, the process takes long to start."""
    monkeypatch.setattr(by_apprise, "SEND_FOR", 60)


def apprise_url(server: Receiver) -> str:
    return server.url.replace("http://", "json://") + f"/{TOKEN}?optional=yes"


@pytest.mark.usefixtures("_patient")
def test_apprise_sends_a_text_that_mentions_nobody(webhook_server: Receiver) -> None:
    answer = KINDS["apprise"].send({"url": apprise_url(webhook_server)}, HOSTILE)
    assert (answer.delivered, answer.text) == (True, "HTTP 200 OK")
    body = posted(webhook_server)
    assert "@everyone" not in body["title"]
    assert not set("<>[]") & set(body["message"] + body["title"])
    assert body["message"].endswith(str(MESSAGE.url))


@pytest.mark.usefixtures("_patient")
def test_apprise_waits_as_long_as_the_service_says(webhook_server: Receiver) -> None:
    webhook_server.status, webhook_server.headers = 429, {"Retry-After": "7"}
    assert KINDS["apprise"].send({"url": apprise_url(webhook_server)}, MESSAGE) == Answer(
        False, True, 7.0, "HTTP 429 Too Many Requests."
    )


@pytest.mark.usefixtures("_patient")
def test_apprise_reaches_nothing_inside(settings: Settings) -> None:
    settings.NOTIFY_ALLOWED_NETWORKS = ["10.0.0.0/8"]
    with receiver() as inside:
        url = f"{inside.url.replace('http', 'jsons')}/{TOKEN}".replace("127.0.0.1", "localhost")
        answer = KINDS["apprise"].send({"url": url}, MESSAGE)
        assert (answer.delivered, answer.retry) == (False, False)
        assert answer.text.startswith("Refused")
        assert not inside.requests


@pytest.mark.usefixtures("_patient")
def test_apprise_reads_no_file() -> None:
    url = f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}?template=/etc/passwd"
    with pytest.raises(BadDestination, match="does not know") as caught:
        KINDS["apprise"].clean({"url": url})
    assert TOKEN not in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in what Apprise imports
@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("syslog://", "does not send over HTTPS"),
        ("mailtos://user:pass@example.com", "does not send over HTTPS"),
        ("json://example.com", "does not encrypt"),
        ("jsons://example.com?verify=no", "must be verified"),
        ("jsons://example.com", ""),
        (f"tgram://123456789:{TOKEN}/chat/", ""),
    ],
)
def test_apprise_sends_by_https_only(url: str, text: str) -> None:
    result = apprise_send.carry_out({"url": url, "allowed": []}, apprise_send.Guard([]))
    assert text in result.get("error", "")
    assert bool(result) == bool(text)


def test_apprise_costs_a_bounded_time(
    webhook_server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_apprise, "SEND_FOR", 2)
    webhook_server.answer = drip
    answer = KINDS["apprise"].send({"url": apprise_url(webhook_server)}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, True)
    assert "did not answer within" in answer.text
