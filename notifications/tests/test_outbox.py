"""What a rule tells is in the outbox as soon as it is committed, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import breaker
from actions.models import Reaction, State
from actions.tests.attacks import arrive, attack, set_action
from findings.models import Finding
from notifications import outbox
from notifications.models import Notice
from notifications.tests.telling import add_rule, add_webhook

pytestmark = pytest.mark.django_db

TYPE = "UnauthorizedAccess:EC2/SSHBruteForce"


def events() -> list[str]:
    return [
        one.split(":")[0] for one in Notice.objects.order_by("pk").values_list("event", flat=True)
    ]


@pytest.mark.one_database  # filters in Python
@pytest.mark.parametrize(
    ("filters", "is_told"),
    [
        ({}, True),
        ({"severity": "HIGH"}, True),
        ({"severity": "CRITICAL"}, False),
        ({"types": ["Recon:*", "unauthorizedaccess:ec2/*"]}, True),
        ({"types": ["Recon:*"]}, False),
        ({"accounts": ["1234*"]}, True),
        ({"accounts": ["2*"]}, False),
        ({"entities": ["81.2.0.*"]}, True),
        ({"entities": ["i-0123456789abcdef0"]}, True),
        ({"entities": ["[8]1.2.0.?"]}, False),  # only * is special
        ({"tags": ["env=prod"]}, True),
        ({"tags": ["ENV"]}, True),
        ({"tags": ["env=dev"]}, False),
        ({"types": ["*"], "accounts": ["9*"]}, False),
        ({"enabled": False}, False),
    ],
)
def test_the_filters_of_a_rule_select_findings(filters: dict[str, Any], is_told: bool) -> None:
    add_webhook()
    add_rule(**filters)
    tags = [{"key": "env", "value": "prod"}, {"key": "name"}, 5]
    resource = {"instanceDetails": {"instanceId": "i-0123456789abcdef0", "tags": tags}}
    arrive(attack(1, resource=resource))
    assert Notice.objects.exists() == is_told


def test_tags_are_read_once_for_all_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []

    def tags_of(finding: object) -> Sequence[str]:
        read.append(finding)
        return ()

    monkeypatch.setattr(outbox, "tags_of", tags_of)
    add_webhook()
    add_rule(tags=["env=prod"])
    add_rule(name="other", tags=["env=dev"])
    arrive(attack(1))
    assert len(read) == 1


def statements() -> list[str]:
    """Returns the statements about our tables while a batch arrives."""
    with CaptureQueriesContext(connection) as captured:
        arrive(*(attack(n) for n in range(1, 4)))
    return [one["sql"] for one in captured if "notifications_" in one["sql"]]


def test_a_batch_costs_one_query_and_one_insert_if_a_rule_matches() -> None:
    assert len(statements()) == 1
    add_webhook()
    add_rule(types=["Recon:*"])
    Finding.objects.all().delete()
    assert len(statements()) == 1
    add_rule()
    Finding.objects.all().delete()
    assert len(statements()) == 2


def test_what_is_rolled_back_is_not_told() -> None:
    add_webhook()
    add_rule()
    with transaction.atomic():
        arrive(attack(1))
        transaction.set_rollback(True)
    assert not Notice.objects.exists()
    arrive(attack(1))
    arrive(attack(1))  # again, unchanged
    assert events() == ["finding"]


def test_a_finding_that_guardduty_archived_is_not_told() -> None:
    add_webhook()
    add_rule()
    add_rule("prevented", name="prevented")
    set_action("BLOCK")
    arrive(attack(1, service={"archived": True}))
    assert not Notice.objects.exists()


@pytest.mark.usefixtures("_containment")
def test_each_trigger_of_actions_is_told_once() -> None:
    add_webhook()
    for trigger in ("done", "failed", "waiting", "prevented", "lifted"):
        add_rule(trigger, name=trigger, types=["UnauthorizedAccess:*"])
    set_action("BLOCK")
    arrive(attack(1), attack(2), attack(3, "10.0.0.1"))
    now = timezone.now()
    first, second = Reaction.objects.filter(state="pending").order_by("pk")
    Reaction.objects.filter(pk=first.pk).settle(State.DONE, at=now, outcome="")
    Reaction.objects.filter(pk=first.pk).settle(State.DONE, at=now, outcome="")  # no more pending
    Reaction.objects.filter(pk=second.pk).settle(State.FAILED, at=now, outcome="")
    Reaction.objects.create(
        finding=first.finding, kind="UNBLOCK", target_kind="address", target=first.target, why="",
        state="pending", decided_at=now, due_at=now,
    )  # fmt: skip
    Reaction.objects.filter(kind="UNBLOCK").settle(State.DONE, at=now, outcome="")
    set_action("ASK_BLOCK")
    arrive(attack(4))
    Reaction.objects.filter(state="waiting").end_wait(State.PREVENTED, at=now, outcome="")
    told = Notice.objects.order_by("pk").values_list("rule__name", "what")
    assert list(told) == [
        ("prevented", "BLOCK"),
        ("done", "BLOCK"),
        ("failed", "BLOCK"),
        ("lifted", "UNBLOCK"),
        ("waiting", "BLOCK"),
        ("prevented", "BLOCK"),
    ]


def test_a_trip_of_the_breaker_is_told(settings: Settings) -> None:
    settings.MAX_CONTAINMENTS_PER_HOUR = 1
    add_webhook()
    add_rule("breaker")
    set_action("BLOCK")
    arrive(attack(1), attack(2))
    breaker.let_through(list(Reaction.objects.order_by("pk")), at=timezone.now())
    assert events() == ["breaker"]
