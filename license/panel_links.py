"""Links to the vendor's panel, where customers request, buy and renew licenses."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from django.conf import settings

from license.claims import Plan
from license.status import Kind, LicenseStatus


class PanelLink(NamedTuple):
    """The text and the URL of a link."""

    label: str
    url: str


def panel_links(status: LicenseStatus) -> list[PanelLink]:
    """Return the links that the License page shows for this status, most likely step first.

    Empty if writes are disabled only until a queued renewal starts.
    """
    if status.renewal_follows:
        return []
    plan = status.claims.plan if status.claims else None
    if status.kind is Kind.REJECTED:
        return [_offer("Request a replacement", plan or Plan.PAID)]
    if offers_trial(status):
        return [_offer("Request a trial", Plan.TRIAL), _offer("Buy a license", Plan.PAID)]
    if plan is Plan.PAID:
        return [_offer("Renew the license", Plan.PAID)]
    if status.kind is Kind.EXPIRED:
        return [_offer("Buy a license", Plan.PAID)]
    return [_offer("Upgrade to Paid", Plan.PAID)]


def offers_trial(status: LicenseStatus) -> bool:
    """Return whether the License page offers a trial."""
    return status.kind is Kind.MISSING and not status.renewal_follows


def _offer(label: str, plan: Plan) -> PanelLink:
    query = urlencode({"account_id": settings.AWS_ACCOUNT_ID, "plan": plan.value})
    return PanelLink(label, f"{settings.PANEL_URL}/request-license?{query}")
