"""Email, by a server on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_string, policy

import pytest
from pytest_django.fixtures import Settings

from notifications.destinations import KINDS, mail
from notifications.tests.mail_server import MailServer, mail_server
from notifications.tests.sending import HOSTILE, MESSAGE


@pytest.fixture
def smtp(settings: Settings) -> Iterator[MailServer]:
    """The mail server of the portal."""
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.MAIL_IS_SET_UP = True
        yield server


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
    assert (answer.delivered, answer.retry) == (False, True)
    assert answer.text == "EMAIL_URL is not set, so the portal sends no email."
