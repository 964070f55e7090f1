"""E-mails to customers. License keys appear only in the body, never in a subject or a log."""

from __future__ import annotations

import logging
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from license.calendar import as_ics
from license.token import Plan
from panel import roles, term
from panel.models import Invitation, IssuedLicense
from panel.roles import Power

logger = logging.getLogger(__name__)


@sensitive_variables()
def send_license(issued: IssuedLicense) -> None:
    """Mails a new license to the members who may see keys.

    Logs a failure and does not raise it: the license is on the customer's page.
    """
    context = {"license": issued, "licenses_url": _absolute(reverse("licenses"))}
    message = EmailMessage(
        subject=f"Your {issued.get_plan_display()} license for AWS account {issued.aws_account_id}",
        body=render_to_string("panel/mail/license.txt", context),
        to=roles.addresses(issued.customer, Power.KEYS),
    )
    try:
        message.send()
    except OSError as error:
        logger.error("License %s could not be mailed: %s", issued.jti, type(error).__name__)


def send_invitation(invitation: Invitation) -> None:
    """Mails an invitation. Logs a failure: it can be sent again from the Team page."""
    context = {"invitation": invitation, "team_url": _absolute(reverse("team"))}
    message = EmailMessage(
        subject=f"{invitation.invited_by.email} invites you to a Threat Reaction team",
        body=render_to_string("panel/mail/invitation.txt", context),
        to=[invitation.email],
    )
    try:
        message.send()
    except OSError as error:
        logger.error("An invitation could not be mailed: %s", type(error).__name__)


def send_reminder(issued: IssuedLicense, *, at: datetime) -> None:
    """Mails a reminder that the license ends, with a calendar entry. Raises OSError on failure."""
    renew_url = renewal_url(issued)
    days = (term.last_day(issued.expires_at) - at.date()).days
    when = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
    context = {"license": issued, "renew_url": renew_url, "when": when}
    message = EmailMessage(
        subject=f"Your license for AWS account {issued.aws_account_id} ends {when}",
        body=render_to_string("panel/mail/reminder.txt", context),
        to=roles.addresses(issued.customer, Power.KEYS, Power.ORDERS),
    )
    entry = as_ics([issued.claims], renew_at=renew_url)
    message.attach("threat-reaction-license.ics", entry.decode(), "text/calendar")
    message.send()


def renewal_url(issued: IssuedLicense) -> str:
    """Returns the absolute URL of the form that renews this license."""
    query = urlencode({"account_id": issued.aws_account_id, "plan": Plan.PAID.value})
    return _absolute(f"{reverse('request-license')}?{query}")


def _absolute(path: str) -> str:
    return f"{settings.PANEL_URL.removesuffix('/panel')}{path}"
