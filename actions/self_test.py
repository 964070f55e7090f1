"""The self-test of the Application page: a user asks for it, a worker does it, the page shows it.

Only the worker's role may call AWS, so the portal cannot do it itself. The state is in the cache,
which all processes share.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.core.cache import cache
from django.utils import timezone

ANSWERED_WITHIN = timedelta(seconds=30)  # otherwise no worker runs
LONGEST = timedelta(minutes=2)  # from its start; what was not tried by then stays untried
SPARE = timedelta(minutes=1)  # after LONGEST, for a call that takes long

_KEY = "self-test"  # change it with the fields below: the version before reads the same cache


class Result(StrEnum):
    """The result of a probe."""

    OK = "ok"
    FAILED = "failed"
    NOT_TRIED = "not tried"
    NOT_SET_UP = "not set up"


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing on AWS that the portal uses, and whether AWS answered."""

    name: str
    target: str  # an ARN, a URL or an account; "" if it is not set up
    result: Result
    text: str = ""  # what AWS said
    permission: str = ""  # the IAM permission that is missing; "" if none is known to be

    @property
    def color(self) -> str:
        """The color of the badge on the page; "" for gray."""
        return {Result.OK: "green", Result.FAILED: "red", Result.NOT_TRIED: "yellow"}.get(
            self.result, ""
        )


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The last self-test that a user asked for."""

    asked_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    probes: list[Probe] = field(default_factory=list)

    def is_waiting(self, now: datetime) -> bool:
        """Whether a worker can still take it."""
        return self.started_at is None and now - self.asked_at < ANSWERED_WITHIN

    def is_running(self, now: datetime) -> bool:
        """Whether a worker is doing it."""
        return (
            self.started_at is not None
            and self.ended_at is None
            and now - self.started_at < LONGEST + SPARE
        )

    def is_open(self, now: datetime) -> bool:
        """Whether a result can still come."""
        return self.is_waiting(now) or self.is_running(now)

    @property
    def failed(self) -> int:
        """How many probes failed."""
        return sum(one.result == Result.FAILED for one in self.probes)


def last() -> SelfTest | None:
    """Returns the last self-test; None if there was none. Runs one query."""
    found: dict[str, Any] | None = cache.get(_KEY)
    if found is None:
        return None
    probes = [Probe(**one | {"result": Result(one["result"])}) for one in found["probes"]]
    return SelfTest(**found | {"probes": probes})


def ask(*, at: datetime) -> bool:
    """Asks the workers for a self-test. Returns False if one is already open."""
    test = last()
    if test and test.is_open(at):
        return False
    _store(SelfTest(asked_at=at))
    return True


def take(*, at: datetime) -> SelfTest | None:
    """Returns the self-test that this worker must do, if there is one. No other worker gets it."""
    test = last()
    if test is None or not test.is_waiting(at):
        return None
    claim = f"{_KEY}-of-{test.asked_at.timestamp()}"
    if not cache.add(claim, True, timeout=int(ANSWERED_WITHIN.total_seconds())):
        return None
    started = replace(test, started_at=at)
    _store(started)
    return started


def note(test: SelfTest, probe: Probe) -> None:
    """Adds a result, which the page shows at once."""
    test.probes.append(probe)
    _store(test)


def end(test: SelfTest) -> None:
    """Ends the self-test."""
    _store(replace(test, ended_at=timezone.now()))


def _store(test: SelfTest) -> None:
    probes = [asdict(one) | {"result": one.result.value} for one in test.probes]
    cache.set(_KEY, asdict(test) | {"probes": probes}, timeout=None)
