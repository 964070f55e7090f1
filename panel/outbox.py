"""Sends mail after the commit, and keeps what could not be sent.

A mail is written in the transaction that it tells of, and sent when no transaction is open. Sending
never fails the request: what a mail server refuses, `manage.py sendreminders` tries again, for
TRIED_FOR. A process that dies while it sends can cause a second copy, never a lost mail.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

from django.core.cache import cache
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import Truncator

from panel import documents, pdf
from panel.models import Invoice, OutgoingMail

logger = logging.getLogger(__name__)

CLAIMED_FOR = timedelta(minutes=10)  # longer than sending a mail can take
TRIED_FOR = timedelta(days=5)  # as mail servers do; later, only Administration lists the mail
# After a failure, requests do not wait for the mail server again for so many seconds.
PAUSE, PAUSED = 60, "mail-server-failed"


def write(
    to: str, subject: str, body: str, *, invoice: Invoice | None = None, calendar: str = ""
) -> None:
    """Stores a mail, and sends it after the commit.

    The PDF of the invoice and the calendar file are attached. A long subject is shortened.
    """
    row = OutgoingMail.objects.create(
        to=to,
        subject=Truncator(subject).chars(200),
        body=body,
        invoice=invoice,
        calendar=calendar,
        written_at=timezone.now(),
    )
    transaction.on_commit(lambda: _try(row), robust=True)


def waiting() -> list[OutgoingMail]:
    """Returns the mails of TRIED_FOR that were not sent, the oldest first."""
    lately = OutgoingMail.objects.filter(written_at__gt=timezone.now() - TRIED_FOR)
    return list(lately.filter(sent_at=None).order_by("pk"))


def send(row: OutgoingMail) -> bool:
    """Sends the mail. Returns False if it is sent, or another process is sending it.

    Raises OSError if the mail server fails.
    """
    now = timezone.now()
    is_free = Q(claimed_at=None) | Q(claimed_at__lt=now - CLAIMED_FOR)
    mine = OutgoingMail.objects.filter(pk=row.pk, sent_at=None)
    if not mine.filter(is_free).update(claimed_at=now):
        return False
    message = EmailMessage(subject=row.subject, body=row.body, to=[row.to])
    if row.invoice:
        document = documents.of_invoice(row.invoice)
        message.attach(document.filename, pdf.render(document), "application/pdf")
    if row.calendar:
        message.attach("threat-reaction-license.ics", row.calendar, "text/calendar")
    try:
        message.send()
    except OSError:
        mine.update(claimed_at=None)
        raise
    mine.update(sent_at=now)
    return True


def _try(row: OutgoingMail) -> None:
    if cache.get(PAUSED):
        return
    try:
        send(row)
    except OSError as error:
        if not isinstance(error, SMTPRecipientsRefused):  # it is the server that fails
            cache.set(PAUSED, True, PAUSE)
        logger.error("Mail %d could not be sent: %s", row.pk, type(error).__name__)
