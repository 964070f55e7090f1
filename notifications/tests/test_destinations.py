"""Destinations against real servers on the loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from standardwebhooks import Webhook

from notifications.destinations import (
    KINDS,
    Answer,
    BadDestination,
    Message,
    apprise_send,
    by_apprise,
    https,
    mail,
    new_secret,
    pagerduty,
    topic,
)
from notifications.tests.mail_server import MailServer, mail_server
from notifications.tests.receiver import Receiver, receiver
from tests.aws import Cloud

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MESSAGE = Message(
    id="msg_1",
    title="UnauthorizedAccess:EC2/SSHBruteForce",
    text="An instance is under attack.\nIt was isolated.",
    url="https://portal.example/events/1",
    severity="HIGH",
    key="finding-1",
    resolved=False,
    at=NOW,
    data={
        "finding": {"type": "UnauthorizedAccess:EC2/SSHBruteForce", "title": "Ein Ü"},
        "policy": {"action": "REPORT"},
    },
)
# Whoever names a tag of a resource writes into a finding.
HOSTILE = replace(
    MESSAGE,
    title="A\r\nBcc: evil@example.com <!channel> @everyone",
    text="<http://evil.example|click> [click](http://evil.example) <at>all</at> & \u202egnp.exe",
)
SECRET = new_secret()
TOKEN = "T0123456789abcdef"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def loopback(settings: Settings) -> Iterator[Receiver]:
    """A receiver on the loopback, which destinations may reach."""
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiver() as server:
        yield server


@pytest.fixture
def smtp(settings: Settings) -> Iterator[MailServer]:
    """The mail server of the portal."""
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.MAIL_IS_SET_UP = True
        yield server


def send(kind: str, server: Receiver, message: Message = MESSAGE) -> Answer:
    """Sends a message to a destination of this kind with the URL of the receiver."""
    settings = {"url": f"{server.url}/services/{TOKEN}?sig={TOKEN}"}
    if kind == "webhook":
        settings["secret"] = SECRET
    return KINDS[kind].send(KINDS[kind].clean(settings), message)


def posted(server: Receiver) -> Any:
    return json.loads(server.requests[-1].body)


# --- Webhook ------------------------------------------------------------------------------------


def test_a_webhook_is_signed_with_both_secrets_while_one_is_rotated(loopback: Receiver) -> None:
    old = new_secret()
    settings = KINDS["webhook"].clean(
        {"url": loopback.url + "/hook", "secret": SECRET, "previous_secret": old}
    )
    assert KINDS["webhook"].send(settings, MESSAGE).delivered
    [request] = loopback.requests
    for key in (SECRET, old):
        assert Webhook(key).verify(request.body, dict(request.headers)) == MESSAGE.data
    assert (request.path, request.headers["webhook-id"]) == ("/hook", MESSAGE.id)


def test_the_documents_show_receivers_how_to_verify(loopback: Receiver, settings: Settings) -> None:
    document = (settings.BASE_DIR / "docs/operations.md").read_text()
    section = document.partition("### Verify a webhook\n")[2]
    example: dict[str, Any] = {}
    exec(section.partition("```python\n")[2].partition("```")[0], example)  # noqa: S102
    old = new_secret()
    given = {"url": loopback.url, "secret": SECRET, "previous_secret": old}
    KINDS["webhook"].send(given, MESSAGE)
    [request] = loopback.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    is_genuine = example["is_genuine"]
    assert is_genuine(SECRET, headers, request.body)
    assert is_genuine(old, headers, request.body)
    assert not is_genuine(new_secret(), headers, request.body)
    assert not is_genuine(SECRET, headers, request.body + b" ")
    assert not is_genuine(SECRET, headers | {"webhook-id": "other"}, request.body)
    assert not is_genuine(SECRET, headers | {"webhook-timestamp": "1700000000"}, request.body)


def test_an_id_that_does_not_fit_into_a_header_is_the_same_at_each_attempt(
    loopback: Receiver,
) -> None:
    for _ in range(2):
        assert send("webhook", loopback, replace(MESSAGE, id="a.b\r\nX: y")).delivered
    first, second = (request.headers["webhook-id"] for request in loopback.requests)
    assert first == second
    assert first.isalnum()


def test_data_that_is_too_large_is_replaced_by_the_text(loopback: Receiver) -> None:
    large = replace(MESSAGE, data={"finding": "x" * 300_000})
    assert send("webhook", loopback, large).delivered
    assert posted(loopback)["truncated"] is True
    assert posted(loopback)["text"] == MESSAGE.text


# --- What an answer means ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "retry", "retry_after"),
    [
        (400, {}, False, None),
        (404, {"Retry-After": "5"}, False, None),
        (410, {}, False, None),
        (408, {}, True, None),
        (429, {"Retry-After": "7"}, True, 7),
        (429, {"Retry-After": "99999999"}, True, 86400),
        (429, {"Retry-After": "soon"}, True, None),
        (500, {}, True, None),
        (503, {"Retry-After": "-3"}, True, None),
        (599, {}, True, None),
    ],
)
def test_the_status_says_whether_to_try_again(
    loopback: Receiver,
    status: int,
    headers: dict[str, str],
    retry: bool,
    retry_after: float | None,
) -> None:
    loopback.status, loopback.headers, loopback.body = status, headers, b"no\x1b[31m\r\nway"
    answer = send("webhook", loopback)
    assert (answer.delivered, answer.retry, answer.retry_after) == (False, retry, retry_after)
    assert answer.text.startswith(f"HTTP {status}")
    assert answer.text.endswith(": no[31m way")


def test_retry_after_can_be_a_date(loopback: Receiver) -> None:
    loopback.status = 503
    at = datetime.now(UTC) + timedelta(minutes=5)
    loopback.headers = {"Retry-After": format_datetime(at, usegmt=True)}
    assert send("slack", loopback).retry_after == pytest.approx(300, abs=60)


@pytest.mark.parametrize("kind", ["webhook", "slack", "teams"])
def test_an_answer_that_repeats_the_url_is_not_shown(loopback: Receiver, kind: str) -> None:
    loopback.status, loopback.body = 400, f"No route for /services/{TOKEN}".encode()
    assert send(kind, loopback).text == "HTTP 400 Bad Request."


def test_a_redirect_is_not_followed(loopback: Receiver) -> None:
    with receiver() as inside:
        loopback.status, loopback.headers = 307, {"Location": inside.url}
        answer = send("webhook", loopback)
        assert (answer.delivered, answer.retry) == (False, False)
        assert "redirect" in answer.text
        assert not inside.requests


def hang(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    over.wait()


def drip(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Writes a byte of a header now and then, so that no single read waits for long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not over.wait(0.02):
        handler.wfile.write(b"x")


def drip_the_body(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 500 No\r\n\r\n")
    while not over.wait(0.02):
        handler.wfile.write(b"x")


def hang_up(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.close_connection = True


def not_http(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 500 No\r\n\r\n")
    while not over.is_set():
        handler.wfile.write(b"x" * 65536)


@pytest.mark.parametrize(
    ("behavior", "text"),
    [
        (hang, "did not answer within"),
        (drip, "did not answer within"),
        (drip_the_body, "HTTP 500"),
        (hang_up, "did not answer with HTTP"),
        (not_http, "did not answer with HTTP"),
        (endless, "HTTP 500 Internal Server Error: xxx"),
    ],
)
def test_a_bad_server_costs_a_bounded_time(
    loopback: Receiver, monkeypatch: pytest.MonkeyPatch, behavior: Any, text: str
) -> None:
    monkeypatch.setattr(https, "SEND_FOR", 0.5)
    loopback.answer = behavior
    began = time.monotonic()
    answer = send("webhook", loopback)
    assert time.monotonic() - began < 5
    assert (answer.delivered, answer.retry) == (False, True)
    assert text in answer.text
    assert len(answer.text) <= 200


def test_a_server_that_does_not_listen_is_tried_again(settings: Settings) -> None:
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/{TOKEN}"
    answer = KINDS["slack"].send({"url": url}, MESSAGE)
    assert (answer.retry, answer.text) == (
        True,
        "127.0.0.1 could not be reached: Connection refused.",
    )


# --- Slack, Teams, PagerDuty ---------------------------------------------------------------------


def test_slack_shows_a_hostile_text_literally(loopback: Receiver) -> None:
    assert send("slack", loopback, HOSTILE).delivered
    body = posted(loopback)
    title, text, link = (block["text"]["text"] for block in body["blocks"])
    assert title == "*A Bcc: evil@example.com &lt;!channel&gt; @everyone*"
    assert text.startswith("&lt;http://evil.example|click&gt;")
    assert text.endswith("&amp; gnp.exe")
    assert link == "<https://portal.example/events/1|Open in Threat Reaction>"
    assert all(block["text"]["verbatim"] for block in body["blocks"])
    assert body["text"] == "\n".join([title, text, link])


def test_slack_gets_at_most_what_it_accepts(loopback: Receiver) -> None:
    send("slack", loopback, replace(MESSAGE, title="<" * 9999, text="&" * 9999))
    texts = [block["text"]["text"] for block in posted(loopback)["blocks"]]
    assert all(len(text) <= 3000 for text in texts)
    assert texts[1].replace("&amp;", "") == "…"  # no half of an escape


def test_teams_shows_a_hostile_text_literally(loopback: Receiver) -> None:
    assert send("teams", loopback, HOSTILE).delivered
    [attachment] = posted(loopback)["attachments"]
    card = attachment["content"]
    # Text runs know no Markdown; without entities, <at> mentions nobody.
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert "entities" not in card["msteams"]
    assert card["body"][1]["inlines"][0]["text"].startswith("<http://evil.example|click> [click]")
    assert [action["url"] for action in card["actions"]] == [MESSAGE.url]


def test_teams_gets_at_most_what_it_accepts(loopback: Receiver) -> None:
    send("teams", loopback, replace(MESSAGE, title="🔥" * 9999, text="🔥\n" * 9999))
    assert len(loopback.requests[0].body) < 28_000
    send("teams", loopback, replace(MESSAGE, text="🔥" * 9999))
    assert len(loopback.requests[1].body) < 28_000


def test_pagerduty_opens_and_resolves_one_incident(
    loopback: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pagerduty.ENDPOINTS, "eu", loopback.url + "/v2/enqueue")
    kind = KINDS["pagerduty"]
    settings = kind.clean({"routing_key": ROUTING_KEY, "region": "EU"})
    loopback.status = 202
    assert kind.send(settings, MESSAGE).delivered
    event = posted(loopback)
    assert event["event_action"] == "trigger"
    assert event["dedup_key"] == "testserver/finding-1"
    assert event["payload"]["severity"] == "error"
    assert event["payload"]["summary"] == MESSAGE.title
    assert event["client_url"] == MESSAGE.url
    assert kind.send(settings, replace(MESSAGE, id="msg_2", resolved=True)).delivered
    assert posted(loopback) == {
        "routing_key": ROUTING_KEY,
        "event_action": "resolve",
        "dedup_key": event["dedup_key"],
    }
    loopback.status, loopback.body = 400, f'{{"errors": ["{ROUTING_KEY}"]}}'.encode()
    assert kind.send(settings, MESSAGE).text == "HTTP 400 Bad Request."


def test_what_sums_up_opens_no_incident(
    loopback: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pagerduty.ENDPOINTS, "us", loopback.url + "/v2/enqueue")
    loopback.status = 202
    digest = replace(MESSAGE, key="digest:1", sums_up=True)
    assert KINDS["pagerduty"].send({"routing_key": ROUTING_KEY}, digest).delivered
    assert loopback.requests[0].path == "/v2/change/enqueue"
    assert posted(loopback)["payload"]["summary"] == MESSAGE.title
    assert "event_action" not in posted(loopback)


def test_a_long_key_of_an_incident_stays_the_same(
    loopback: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pagerduty.ENDPOINTS, "us", loopback.url)
    for resolved in (False, True):
        message = replace(MESSAGE, key="k" * 300, resolved=resolved)
        KINDS["pagerduty"].send({"routing_key": ROUTING_KEY}, message)
    first, second = (json.loads(request.body)["dedup_key"] for request in loopback.requests)
    assert first == second
    assert len(first) <= 255


# --- SNS ----------------------------------------------------------------------------------------


def test_a_topic_gets_the_data_and_the_attributes_for_its_filters(cloud: Cloud) -> None:
    arn, queue = cloud.topic_with_queue()
    subscription = cloud.client("sns").list_subscriptions()["Subscriptions"][0]
    cloud.client("sns").set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"severity": ["HIGH"], "action": ["REPORT"]}),
    )
    settings = KINDS["sns"].clean({"topic_arn": arn})
    answer = KINDS["sns"].send(settings, MESSAGE)
    assert answer.delivered
    assert answer.text.startswith("Message ")
    assert cloud.messages(queue) == [MESSAGE.data]


def test_a_fifo_topic_drops_a_second_attempt(cloud: Cloud) -> None:
    arn, queue = cloud.topic_with_queue(FifoTopic="true")
    for _ in range(2):
        assert KINDS["sns"].send({"topic_arn": arn}, MESSAGE).delivered
    assert cloud.messages(queue) == [MESSAGE.data]


@pytest.mark.parametrize(("code", "status"), [("AuthorizationError", 403), ("Unavailable", 503)])
def test_an_error_of_sns_is_named_and_tried_again(cloud: Cloud, code: str, status: int) -> None:
    arn, _ = cloud.topic_with_queue()
    cloud.fail("Publish", code, status=status)
    answer = KINDS["sns"].send({"topic_arn": arn}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, True)
    assert code in answer.text
    assert cloud.asked.count("Publish") == 1  # the worker tries again, later


def test_sns_costs_a_bounded_time(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic, "SEND_FOR", 0.5)
    arn, _ = cloud.topic_with_queue()
    cloud.hang("Publish")
    answer = KINDS["sns"].send({"topic_arn": arn}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, True)


# --- E-mail ------------------------------------------------------------------------------------


def test_each_address_gets_a_mail_of_its_own(smtp: MailServer) -> None:
    settings = KINDS["email"].clean({"to": "soc@example.com,  boss@example.com"})
    for _ in range(2):
        assert KINDS["email"].send(settings, HOSTILE).text == "Sent to 2 of 2 addresses."
    mails = [message_from_string(text, policy=policy.default) for _, text in smtp.mails]
    assert [mail["To"] for mail in mails[:2]] == ["soc@example.com", "boss@example.com"]
    first = mails[0]
    assert first["Bcc"] is None
    assert first["Subject"] == ("[Threat Reaction] A Bcc: evil@example.com <!channel> @everyone")
    assert first["Message-ID"] == mails[2]["Message-ID"]  # readers drop the second one
    assert first.get_content().strip().endswith(str(MESSAGE.url))


@pytest.mark.parametrize(
    ("reply", "delivered", "retry"),
    [("550 No such user", True, False), ("451 Later", False, True)],
)
def test_a_refused_address_is_told(
    smtp: MailServer, reply: str, delivered: bool, retry: bool
) -> None:
    smtp.refused["gone@example.com"] = reply
    settings = {"to": "gone@example.com, soc@example.com"}
    answer = KINDS["email"].send(settings, MESSAGE)
    assert (answer.delivered, answer.retry) == (delivered, retry)
    assert answer.text == f"1 of 2 addresses were refused: {reply}"
    assert [to for to, _ in smtp.mails] == ["soc@example.com"]


def test_the_mail_server_costs_a_bounded_time(
    smtp: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "SEND_FOR", 0.3)
    smtp.is_silent = True
    answer = KINDS["email"].send({"to": "soc@example.com"}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, True)


def test_without_a_mail_server_nothing_is_silently_dropped(settings: Settings) -> None:
    settings.MAIL_IS_SET_UP = False
    answer = KINDS["email"].send({"to": "soc@example.com"}, MESSAGE)
    assert (answer.delivered, answer.text) == (False, "E-mail is not set up: EMAIL_URL is empty.")


# --- Apprise ------------------------------------------------------------------------------------


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, the process takes long to start."""
    monkeypatch.setattr(by_apprise, "SEND_FOR", 60)


def apprise_url(server: Receiver) -> str:
    return server.url.replace("http://", "json://") + f"/{TOKEN}?optional=yes"


@pytest.mark.usefixtures("_patient")
def test_apprise_sends_a_text_that_mentions_nobody(loopback: Receiver) -> None:
    answer = KINDS["apprise"].send({"url": apprise_url(loopback)}, HOSTILE)
    assert (answer.delivered, answer.text) == (True, "HTTP 200 OK")
    body = posted(loopback)
    assert "@everyone" not in body["title"]
    assert not set("<>[]") & set(body["message"] + body["title"])
    assert body["message"].endswith(str(MESSAGE.url))


@pytest.mark.usefixtures("_patient")
def test_apprise_waits_as_long_as_the_service_says(loopback: Receiver) -> None:
    loopback.status, loopback.headers = 429, {"Retry-After": "7"}
    assert KINDS["apprise"].send({"url": apprise_url(loopback)}, MESSAGE) == Answer(
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


def test_apprise_costs_a_bounded_time(loopback: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_apprise, "SEND_FOR", 2)
    loopback.answer = drip
    answer = KINDS["apprise"].send({"url": apprise_url(loopback)}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, True)
    assert "did not answer within" in answer.text


# --- Settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("webhook", {"url": "https://example.com/a", "secret": "whsec_c2hvcnQ="}, "secret"),
        ("webhook", {"url": "http://example.com/a", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://user:pass@example.com/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://user@example.com/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://a.example\\.b.example/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://example.com:22/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://example.com:x/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://[::1/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://exa mple.com/", "secret": SECRET}, "url"),
        ("webhook", {"url": "file:///etc/passwd", "secret": SECRET}, "url"),
        ("slack", {"url": ""}, "url"),
        ("slack", {"url": "https://hooks.slack.com/a\r\nX: y"}, "url"),
        ("slack", {"url": "https://hooks.slack.com/" + "a" * 3000}, "url"),
        ("slack", {"url": "https://hooks.slack.com/a", "extra": "b"}, "extra"),
        ("teams", {"url": "https://acme.webhook.office.com/webhookb2/a"}, "url"),
        ("pagerduty", {"routing_key": "short"}, "routing_key"),
        ("pagerduty", {"routing_key": ROUTING_KEY, "region": "moon"}, "region"),
        ("sns", {"topic_arn": "arn:aws:sqs:eu-central-1:123456789012:queue"}, "topic_arn"),
        ("sns", {"topic_arn": "arn:aws:sns:evil.example/:123456789012:t"}, "topic_arn"),
        ("apprise", {"url": "jsons://example.com/a\nb"}, "url"),
        ("email", {"to": "soc@example.com, nobody"}, "to"),
        ("email", {"to": "soc@[169.254.169.254]"}, "to"),
        ("email", {"to": "a@example.com\nBcc: b@example.com"}, "to"),
    ],
)
def test_wrong_settings_are_told_by_field(kind: str, given: dict[str, str], field: str) -> None:
    with pytest.raises(BadDestination) as caught:
        KINDS[kind].clean(given)
    assert list(caught.value.errors) == [field]
    assert not given[field] or given[field] not in str(caught.value)


def test_secrets_are_masked() -> None:
    url = f"https://hooks.slack.com/services/{TOKEN}"
    for kind, settings in (
        ("webhook", {"url": url, "secret": SECRET, "previous_secret": SECRET}),
        ("slack", {"url": url}),
        ("teams", {"url": url}),
        ("pagerduty", {"routing_key": ROUTING_KEY, "region": "eu"}),
        ("apprise", {"url": f"tgram://123:{TOKEN}/chat"}),
    ):
        shown = str(KINDS[kind].masked(settings))
        assert not any(secret in shown for secret in (TOKEN, SECRET, ROUTING_KEY, "123"))
    assert KINDS["slack"].masked({"url": url})["url"].startswith("https://hooks.slack.com/")
    assert KINDS["pagerduty"].masked({"region": "eu"}) == {"region": "eu"}
