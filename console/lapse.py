"""What a lapsed license would refuse, and what would go on, by what the last 30 days brought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BooleanField, Count, ExpressionWrapper, Max, Q, Sum
from django.urls import reverse

from accounts.models import EventKind, SecurityEvent
from actions.models import CONTAINMENT, Allowance, Reaction, ReactionKind, State, Trip, Verdict
from detectors.models import BucketChange
from findings.models import PeriodSum, PolicyChange, TriageEntry
from notifications.models import Delivery, NotificationChange
from notifications.models import State as Told

DAYS = 30
NEWEST = 100_000  # events of the security log and entries of the triage log that are looked at


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened, and how often."""

    what: str
    count: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Lapse:
    """Writes that the license gates, and work that it does not."""

    refused: list[Line]  # without those that never happened
    goes_on: list[Line]

    @property
    def total(self) -> int:
        """How many writes would have been refused."""
        return sum(line.count for line in self.refused)


def lapse(now: datetime) -> Lapse:
    """Returns both for the last DAYS days."""
    since = now - timedelta(days=DAYS)
    by_hand, by_policy = _reactions(since)
    refused = [
        *_policy(since),
        *_by_hand(since, by_hand),
        *_triage(since),
        *_safeguards(since),
        *_access(since),
    ]
    return Lapse([line for line in refused if line.count], list(_goes_on(since, by_policy)))


def _reactions(since: datetime) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Returns the actions by hand by kind, and those of the policy by kind and state."""
    asked = ExpressionWrapper(~Q(requested_by_name=""), output_field=BooleanField())
    rows = (
        Reaction.objects.filter(decided_at__gte=since)
        .annotate(by_hand=asked)
        .values_list("kind", "state", "by_hand")
        .annotate(count=Count("pk"))
        .order_by()
    )
    by_hand: Counter[str] = Counter()
    by_policy: Counter[tuple[str, str]] = Counter()
    for kind, state, is_by_hand, count in rows:
        if is_by_hand:
            by_hand[kind] += count
        else:
            by_policy[kind, state] += count
    return by_hand, by_policy


def _policy(since: datetime) -> Iterator[Line]:
    rows = PolicyChange.objects.filter(changed_at__gte=since).values_list("source")
    for source, count in rows.annotate(count=Count("pk")).order_by("source"):
        where = PolicyChange.Source(source).label
        yield Line(f"Changes of the policy ({where})", count, reverse("findings:changes"))


def _by_hand(since: datetime, by_hand: Counter[str]) -> Iterator[Line]:
    url = reverse("api:get_actions")
    for kind in ReactionKind:
        yield Line(f"{kind.label} by hand or by approval", by_hand[kind], url)
    rejected = Verdict.objects.filter(at__gte=since, approved=False)
    yield Line("Rejections of actions", rejected.count(), url)


def _triage(since: datetime) -> Iterator[Line]:
    newest = TriageEntry.objects.aggregate(pk=Max("pk"))["pk"] or 0
    entries = TriageEntry.objects.filter(pk__gt=newest - NEWEST, at__gte=since)
    yield Line("Findings triaged", entries.count(), reverse("findings:events"))


def _safeguards(since: datetime) -> Iterator[Line]:
    url = reverse("actions:allowlist")
    added = Allowance.objects.filter(added_at__gte=since).count()
    yield Line("Exceptions added to the allowlist", added, url)
    removed = Allowance.objects.filter(taken_back_at__gte=since).count()
    yield Line("Exceptions removed from the allowlist", removed, url)
    resets = Trip.objects.filter(reset_at__gte=since).count()
    yield Line("Resets of the circuit breaker", resets)
    changes = BucketChange.objects.filter(changed_at__gte=since)
    changes = changes.exclude(changed_by=None, client_id="")  # by a command
    yield Line("Changes of registered buckets", changes.count(), reverse("api:get_buckets"))
    told = NotificationChange.objects.filter(changed_at__gte=since)
    told = told.exclude(changed_by=None, client_id="")  # by NOTIFY_TOPIC_ARN
    url = reverse("api:get_notifications")
    yield Line("Changes of notification rules and destinations", told.count(), url)


def _access(since: datetime) -> Iterator[Line]:
    """Yields what gives access. Taking it away needs no license."""
    newest = SecurityEvent.objects.aggregate(pk=Max("pk"))["pk"] or 0
    events = SecurityEvent.objects.filter(pk__gt=newest - NEWEST, at__gte=since)
    by_people = events.exclude(by_name="")
    url = reverse("security-log")
    given = by_people.filter(kind=EventKind.ROLES_CHANGED, detail__startswith="added to")
    yield Line("Roles given to people", given.count(), url)
    made = by_people.filter(kind=EventKind.CLIENT_CREATED)
    yield Line("API clients created", made.count(), url)


def _goes_on(since: datetime, by_policy: Counter[tuple[str, str]]) -> Iterator[Line]:
    found = PeriodSum.objects.filter(is_day=True, begin__gte=since).aggregate(n=Sum("findings"))
    yield Line("Findings processed", found["n"] or 0, reverse("findings:events"))
    url = reverse("api:get_actions")

    def count(*kinds: str, states: tuple[str, ...] = (State.DONE,)) -> int:
        return sum(by_policy[kind, state] for kind in kinds for state in states)

    yield Line("Containments by the policy", count(*CONTAINMENT), url)
    dry = count(*CONTAINMENT, states=(State.DRY_RUN,))
    if dry:
        yield Line("Containments by the policy (dry run)", dry, url)
    yield Line("Blocks lifted at their end", count(ReactionKind.UNBLOCK), url)
    told = Delivery.objects.filter(created_at__gte=since, state=Told.DELIVERED, is_test=False)
    yield Line("Notifications delivered", told.count(), reverse("api:get_notifications"))
    yield Line("Findings saved", count(ReactionKind.SAVE), url)
    yield Line("Findings archived in GuardDuty", count(ReactionKind.ARCHIVE), url)
