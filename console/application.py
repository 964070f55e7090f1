"""What runs here, for the Application page and the support bundle. It calls no AWS API."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from urllib.parse import quote

from django.conf import settings
from django.db.models import Max, QuerySet

from actions import guardduty_archive, heartbeat, members, paths
from actions.heartbeat import ALIVE, Loop
from actions.models import MemberRole
from actions.updates import Update
from detectors.models import Bucket
from findings.guardduty.links import console_of
from notifications.models import Destination, Rule

LISTED = 20  # roles that do not answer
DAY = timedelta(days=1)

_commit = re.compile(r"[0-9a-f]{7,64}(-dirty)?")
_stack = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):cloudformation:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12})"
    r":stack/(?P<name>[A-Za-z][A-Za-z0-9-]{0,127})/[A-Za-z0-9-]{1,64}",
    re.ASCII,
)


class Stack(NamedTuple):
    """The CloudFormation stack of this deployment."""

    stack_id: str
    name: str
    region: str


@dataclass(frozen=True, slots=True)
class LoopSign:
    """A loop of the workers, and the last sign that one of them runs it."""

    name: str
    at: datetime | None
    is_alive: bool


@dataclass(frozen=True, slots=True)
class PathState:
    """A path of containment, or another use of AWS."""

    name: str
    setting: str
    is_set_up: bool


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles in member accounts, as the workers found them last."""

    answering: int
    silent: list[MemberRole]  # at most LISTED
    more_silent: int
    untried: int


def stack() -> Stack | None:
    """Returns the stack that STACK_ID names; None if it names none."""
    match = _stack.fullmatch(settings.STACK_ID)
    return Stack(settings.STACK_ID, match["name"], match["region"]) if match else None


def region() -> str:
    """Returns the AWS region; "" if the environment does not name it."""
    found = stack()
    if found:
        return found.region
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")


@cache
def commit() -> str:
    """Returns the commit that runs: of the image or of the checkout; "" if it is unknown."""
    if settings.COMMIT:
        return settings.COMMIT if _commit.fullmatch(settings.COMMIT) else ""
    if not (settings.BASE_DIR / ".git").exists():
        return ""
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def loops(now: datetime) -> Iterator[LoopSign]:
    """Yields the loops of the workers that this deployment has."""
    beats = heartbeat.last_beats()
    names = {Loop.RECEIVE: "Receives findings", Loop.ACT: "Carries out actions"}
    for loop, name in names.items():
        if loop == Loop.ACT or settings.FINDINGS_QUEUE_URL or loop in beats:
            at = beats.get(loop)
            yield LoopSign(name, at, at is not None and now - at < ALIVE)
    if settings.EVENTS_QUEUE_URL:
        counted = Bucket.objects.aggregate(at=Max("last_event_at"))["at"]
        at = datetime.fromtimestamp(counted, UTC) if counted else None
        # Buckets can be quiet for long, so silence says less here.
        yield LoopSign("Counts S3 events (last event)", at, at is not None and now - at < DAY)


def path_states() -> list[PathState]:
    """Returns the paths of containment, and what else the portal uses in AWS."""
    others = {
        "Saved findings": ("SAVE_BUCKET", bool(settings.SAVE_BUCKET)),
        "Notifications": ("notification rules", _notifies()),
        "Archive in GuardDuty": ("ARCHIVE_FINDINGS", guardduty_archive.is_on()),
        "Member accounts": ("MEMBER_ACCOUNTS", _acts_in_others()),
    }
    return [
        *(PathState(path.name, path.setting, path.is_set_up) for path in paths.PATHS),
        *(PathState(name, setting, is_up) for name, (setting, is_up) in others.items()),
    ]


def _notifies() -> bool:
    """Returns whether a rule that is on has a destination."""
    rules = Rule.objects.present().filter(enabled=True)
    return Destination.objects.present().filter(rules__in=rules).exists()


def _acts_in_others() -> bool:
    try:
        accounts = members.configured()
    except ValueError:
        return False
    return accounts is None or bool(accounts)


def roles() -> Roles:
    """Returns the roles in member accounts. Runs four queries."""
    known = MemberRole.objects
    silent: QuerySet[MemberRole] = known.exclude(problem="").order_by("account_id")
    count = silent.count()
    return Roles(
        answering=known.filter(problem="", answered_at__isnull=False).count(),
        silent=list(silent[:LISTED]),
        more_silent=max(0, count - LISTED),
        untried=known.filter(problem="", answered_at=None).count(),
    )


def update_url(update: Update) -> str:
    """Returns the page of CloudFormation that updates the stack to the new template, or ""."""
    found = stack()
    base = console_of(found.region) if found else ""
    if not found or not base or not update.template_url:
        return ""
    named = f"stackId={quote(found.stack_id, safe='')}"
    template = f"templateURL={quote(update.template_url, safe='')}"
    at = f"{base}/cloudformation/home?region={found.region}"
    return f"{at}#/stacks/update/template?{named}&{template}"
