"""What the database says now, for `GET /metrics` of the portal and of the worker.

Every process gives the same answer, and none keeps a count of its own. Each query is bounded by
what a day brings, or by what is pending: none reads a whole table.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache

import django
from django.conf import settings
from django.db.models import CharField, Count, Func, Min, QuerySet
from prometheus_client import Metric
from prometheus_client.registry import Collector

from actions import breaker, containment, fill, heartbeat
from actions.models import Reaction, ReactionKind, State
from findings.models import Action, Finding
from license import status
from license.status import LicenseStatus
from serving.metrics import gauge

DAY = timedelta(days=1)


class DatabaseCollector(Collector):
    """All of our metrics at one instant."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def describe(self) -> Iterable[Metric]:
        return []  # otherwise the registry collects once more, to learn the names

    def collect(self) -> Iterator[Metric]:
        versions = {
            "version": version(),
            "python": platform.python_version(),
            "django": django.get_version(),
        }
        yield gauge(
            "build_info", "1; the labels say what runs.", versions, {tuple(versions.values()): 1}
        )
        yield from self._findings()
        yield from self._actions()
        yield from self._license()

    def _findings(self) -> Iterator[Metric]:
        counts = dict(findings_by_action(self.now))
        yield gauge(
            "findings_last_day",
            "Findings last seen within 24 hours, by the action that the policy asked for.",
            ["action"],
            {(action,): counts.get(action, 0) for action in Action.values},
        )

    def _actions(self) -> Iterator[Metric]:
        counts = {(kind, state): count for kind, state, count in actions_by_state(self.now)}
        yield gauge(
            "actions_last_day",
            "Actions decided within 24 hours, by what they do and how far they have come.",
            ["action", "state"],
            {
                (kind, state.replace(" ", "_")): counts.get((kind, state), 0)
                for kind in ReactionKind.values
                for state in State.values
            },
        )
        waiting = {kind: (count, oldest) for kind, count, oldest in pending()}
        yield gauge(
            "actions_pending",
            "Actions that are not carried out yet.",
            ["action"],
            {(kind,): waiting.get(kind, (0, None))[0] for kind in ReactionKind.values},
        )
        yield gauge(
            "actions_oldest_pending_seconds",
            "Seconds since the oldest pending action was decided; 0 if none is pending.",
            value=seconds_since((at for _, at in waiting.values()), self.now),
        )
        yield gauge(
            "breaker_tripped",
            "1 while the circuit breaker holds blocking and revoking back.",
            value=breaker.tripped() is not None,
        )
        yield gauge(
            "worker_heartbeat_seconds",
            "Seconds since any worker last finished a round of this loop without an error. Absent"
            " if none ever did.",
            ["loop"],
            {
                (loop,): (self.now - at).total_seconds()
                for loop, at in heartbeat.last_beats().items()
            },
        )
        levels = fill.levels()
        for lists in ("IP sets", "prefix lists", "domain lists"):
            ours = [one for one in levels if one.lists == lists]
            for name, text in (("used", "Entries in"), ("capacity", "Entries that fit into")):
                yield gauge(
                    f"{lists.lower().replace(' ', '_')}_{name}",
                    f"{text} the {lists} of one IP version (0 for domains) in a region or in"
                    " CloudFront, as of the last update by a worker. Absent before it.",
                    ["place", "version"],
                    {(one.place, str(one.version)): getattr(one, name) for one in ours},
                )
        yield gauge(
            "containment_on",
            "1 if CONTAINMENT is on, 0 in a dry run.",
            value=containment.is_on(),
        )

    def _license(self) -> Iterator[Metric]:
        found = status.current(self.now)
        yield gauge(
            "license_status",
            "1 for the status of the license, 0 for the others.",
            ["status"],
            {(kind,): kind == found.kind for kind in status.Kind.values},
        )
        yield gauge(
            "license_writes_allowed",
            "1 while the license allows writes.",
            value=found.allows_writes,
        )
        seconds_left = license_seconds_left(found)
        if seconds_left is not None:
            yield gauge(
                "license_seconds_left",
                "Seconds until the license ends, with the renewals that follow without a gap;"
                " negative after it. Absent if no trusted key is installed.",
                value=seconds_left,
            )


def license_seconds_left(found: LicenseStatus) -> float | None:
    """Returns the seconds until the license ends; None if no trusted key is installed."""
    ends = found.writes_until or (found.claims.expires_at if found.claims else None)
    return (ends - found.now).total_seconds() if ends else None


def seconds_since(times: Iterable[datetime], now: datetime) -> float:
    """Returns the seconds since the oldest of these times; 0 if there are none."""
    return max((now - min(times, default=now)).total_seconds(), 0)


class Unindexed(Func):
    """A text, as an expression that no index is of: SQLite, which knows no numbers of rows, would
    read a whole index to have the groups in order."""

    template = "(%(expressions)s || '')"
    output_field = CharField()


def findings_by_action(now: datetime) -> QuerySet[Finding, tuple[str, int]]:
    """How many of the last day's findings have each action. A range of finding_newest_first."""
    recent = Finding.objects.filter(seen_at__gt=now - DAY)
    return recent.values_list(Unindexed("action")).annotate(count=Count("pk"))


def actions_by_state(now: datetime) -> QuerySet[Reaction, tuple[str, str, int]]:
    """How many of the last day's actions are in each state. A range of reaction_by_decision."""
    recent = Reaction.objects.filter(decided_at__gt=now - DAY)
    return recent.values_list(Unindexed("kind"), Unindexed("state")).annotate(count=Count("pk"))


def pending() -> QuerySet[Reaction, tuple[str, int, datetime]]:
    """How many actions of each kind are pending, and since when. An index of the pending ones."""
    # due_at is set as long as an action is pending; the condition lets the planner see it.
    waiting = Reaction.objects.filter(state=State.PENDING, due_at__isnull=False)
    return waiting.values_list(Unindexed("kind")).annotate(
        count=Count("pk"), oldest=Min("decided_at")
    )


@cache
def version() -> str:
    """Of this checkout; "unknown" where pyproject.toml was left out."""
    try:
        found = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    except OSError:
        return "unknown"
    return str(found["project"]["version"])
