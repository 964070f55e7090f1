"""The accounts other than the portal's own, in which it assumes a role to act."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

from django.conf import settings

from actions.models import MemberRole

ROLE = "ThreatReactionContainment"  # created by TEMPLATE
TEMPLATE = "deploy/member.yaml"
MISSING = (
    f"The role {ROLE} in {{}} does not answer. Deploy {TEMPLATE} in that account, with the account"
    " of the portal and the external ID in MEMBER_EXTERNAL_ID."
)
_EVERY, _NO = "all", "none"
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_TRIED_AT_ONCE = 5


def configured() -> Collection[str] | None:
    """Returns the accounts of MEMBER_ACCOUNTS; None for all. Raises ValueError if it is invalid.

    A system check reports an invalid value at startup.
    """
    said = [one.strip() for one in settings.MEMBER_ACCOUNTS]
    if said == [_EVERY]:
        return None
    if said == [_NO]:
        return ()
    for one in said:
        if not _ACCOUNT_ID.fullmatch(one):
            raise ValueError(one)
    return said


def against_account(account_id: str) -> str:
    """Returns why the portal must not act in this account, or ""."""
    if not settings.AWS_ACCOUNT_ID:
        return "AWS_ACCOUNT_ID is not set, so the portal acts in no account."
    if account_id == settings.AWS_ACCOUNT_ID:
        return ""
    if not _ACCOUNT_ID.fullmatch(account_id):
        if not account_id:
            return "The finding names no AWS account."
        return f"{account_id} is not the ID of an AWS account, which has 12 digits."
    accounts = configured()
    if accounts is None or account_id in accounts:
        return ""
    return (
        f"It belongs to {account_id}, which MEMBER_ACCOUNTS does not name. Deploy {TEMPLATE} there,"
        f" which creates the role {ROLE}, and add the account to MEMBER_ACCOUNTS."
    )


def is_member(account_id: str) -> bool:
    """Returns whether the portal acts in this account with a role that it assumes."""
    return account_id != settings.AWS_ACCOUNT_ID and not against_account(account_id)


def tried(account_id: str, problem: str, *, at: datetime) -> None:
    """Notes whether the role of an account answered; `problem` is "" if it did."""
    outcome = {"asked_at": None, "tried_at": at, "problem": problem}
    if not problem:
        outcome["answered_at"] = at
    MemberRole.objects.update_or_create(account_id=account_id, defaults=outcome)


def ask(account_id: str, *, at: datetime) -> None:
    """Asks a worker to try the role of an account. Raises ValueError if the portal may not."""
    if not is_member(account_id):
        raise ValueError(account_id)
    MemberRole.objects.update_or_create(account_id=account_id, defaults={"asked_at": at})


def asked() -> list[str]:
    """Returns the accounts whose role a worker should try now."""
    rows = MemberRole.objects.filter(asked_at__isnull=False).order_by("asked_at")
    return list(rows.values_list("account_id", flat=True)[:_TRIED_AT_ONCE])


@dataclass(frozen=True, slots=True)
class Reach:
    """In which accounts the portal acts, and whether their roles answer."""

    known: Mapping[str, MemberRole]

    @classmethod
    def now(cls) -> Self:
        """Reads the roles, in one query."""
        return cls({one.account_id: one for one in MemberRole.objects.all()})

    def of(self, account_id: str) -> AccountReach:
        """Returns what the Accounts page says about one account."""
        is_own = account_id == settings.AWS_ACCOUNT_ID
        return AccountReach(is_own, is_member(account_id), self.known.get(account_id))


class AccountReach(NamedTuple):
    """How the portal reaches an account."""

    is_own: bool  # it acts with the role of the worker
    is_member: bool  # it assumes a role
    role: MemberRole | None  # None if it was never tried
