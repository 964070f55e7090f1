"""Email, by the mail server of the portal (EMAIL_URL)."""

from __future__ import annotations

from collections.abc import Mapping
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from notifications.destinations.contract import (
    SEND_FOR,
    Answer,
    Field,
    Kind,
    Message,
    delivered,
    failed,
    header_id,
    lines,
    printable,
    timed_out,
)
from serving.egress import TimedOut, within

ADDRESSES = 20
TEXT_LENGTH = 100_000  # characters
_AUTHENTICATION = {530, 534, 535, 538}  # an administrator can correct EMAIL_URL


class Mail(Kind):
    """Sends each address a mail of its own, so that no reader sees the others."""

    name = "email"
    label = "Email"
    fields = (Field("to", "Addresses", f"Up to {ADDRESSES} addresses, separated by commas."),)

    def problem(self) -> str:
        """Returns that the portal has no mail server, or ""."""
        if django_settings.MAIL_IS_SET_UP:
            return ""
        return "EMAIL_URL is not set, so the portal sends no email."

    def cleaned(self, name: str, value: str) -> str:
        """Returns the addresses, each once. Raises ValueError."""
        addresses = list(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        if not 1 <= len(addresses) <= ADDRESSES:
            msg = f"Enter 1 to {ADDRESSES} addresses, separated by commas."
            raise ValueError(msg)
        for number, address in enumerate(addresses, start=1):
            try:
                if "[" in address:  # a server by its IP address
                    raise ValidationError("")
                validate_email(address)
            except ValidationError:
                msg = f"Address {number} is not an email address."
                raise ValueError(msg) from None
        return ", ".join(addresses)

    def send(self, settings: Mapping[str, str], message: Message) -> Answer:
        """Sends the mails. It is delivered if the server accepts it for one address or more.

        Another attempt sends mails with the same Message-ID.
        """
        if problem := self.problem():
            return failed(problem, retry=True)
        addresses = settings["to"].split(", ")
        try:
            return within(SEND_FOR, lambda: _send(addresses, message))
        except TimedOut:
            return timed_out("The mail server")
        except SMTPResponseException as error:
            is_final = 500 <= error.smtp_code < 600 and error.smtp_code not in _AUTHENTICATION
            return failed(_reply(error.smtp_code, error.smtp_error), retry=not is_final)
        except SMTPException as error:  # such as a server that hangs up
            return failed(f"The mail server failed: {type(error).__name__}.", retry=True)
        except OSError as error:
            why = error.strerror or type(error).__name__
            return failed(f"The mail server could not be reached: {why}.", retry=True)


def _send(addresses: list[str], message: Message) -> Answer:
    """Sends all mails over one connection. Raises SMTPException and OSError."""
    refusals: list[tuple[int, bytes | str]] = []
    connection = get_connection(timeout=SEND_FOR)
    connection.open()
    try:
        for address in addresses:
            mail = EmailMessage(
                subject=_subject(message),
                body=_body(message),
                to=[address],
                headers=_headers(message),
                connection=connection,
            )
            try:
                mail.send()
            except SMTPRecipientsRefused as error:
                refusals += error.recipients.values()
            except SMTPDataError as error:
                refusals.append((error.smtp_code, error.smtp_error))
    finally:
        connection.close()
    if not refusals:
        return delivered(f"Sent to {len(addresses)} of {len(addresses)} addresses.")
    code, said = refusals[0]
    text = f"{len(refusals)} of {len(addresses)} addresses were refused: {_reply(code, said)}"
    is_temporary = any(code < 500 for code, _ in refusals)
    if is_temporary or len(refusals) == len(addresses):
        return failed(text, retry=is_temporary)
    return delivered(text)


def _reply(code: int, said: bytes | str) -> str:
    said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {said}"


def _subject(message: Message) -> str:
    return django_settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + printable(message.title, 150)


def _body(message: Message) -> str:
    return "\n\n".join(part for part in (lines(message.text, TEXT_LENGTH), message.url) if part)


def _headers(message: Message) -> dict[str, str]:
    host = urlsplit(django_settings.PORTAL_URL).hostname
    return {
        "Message-ID": f"<{header_id(message.id)}@{host}>",
        "References": f"<about-{header_id(message.key)}@{host}>",  # mails about one thing: a thread
        "Auto-Submitted": "auto-generated",
    }
