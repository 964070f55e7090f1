"""NOTIFY_TOPIC_ARN sets up a rule that sends what earlier versions sent."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.models import Reaction, State
from actions.tests.attacks import arrive, attack, set_action
from findings.models import Finding
from notifications import topic
from notifications.delivery import FIRST_ACTION_ID
from notifications.models import Delivery, Destination, NotificationChange, Rule
from notifications.tests.telling import add, add_rule, deliver
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # messages


@pytest.mark.usefixtures("_containment")
def test_each_new_finding_is_told_as_before(cloud: Cloud, settings: Settings) -> None:
    settings.NOTIFY_TOPIC_ARN, queue = cloud.topic_with_queue()
    topic.set_up()
    set_action("BLOCK", severity="HIGH")
    arrive(attack(1), attack(2, "81.2.0.2"))
    Reaction.objects.all().settle(State.DONE, at=timezone.now(), outcome="Listed.")
    deliver()
    arrive(attack(1, service={"count": 9}))  # an update is not told, as before
    deliver()
    first, second = cloud.messages(queue)
    notice = first if first["action_id"] < second["action_id"] else second
    assert set(notice) == {"action_id", "url", "finding", "policy", "actions"}
    assert notice["action_id"] == FIRST_ACTION_ID + Delivery.objects.earliest("pk").pk
    assert notice["url"] == f"http://testserver/events/{Finding.objects.earliest('pk').pk}"
    assert notice["finding"]["type"] == "UnauthorizedAccess:EC2/SSHBruteForce"
    assert notice["policy"] == {
        "action": "BLOCK",
        "set_at": "UnauthorizedAccess:EC2/SSHBruteForce, HIGH",
    }
    (block,) = notice["actions"]
    assert (block["action"], block["target"], block["state"]) == ("BLOCK", "81.2.0.2", "done")


@pytest.mark.every_database  # a migration
def test_migrate_sets_it_up_once_and_people_have_the_last_word(settings: Settings) -> None:
    arn = "arn:aws:sns:eu-central-1:123456789012:notices"
    settings.NOTIFY_TOPIC_ARN = arn
    call_command("migrate", verbosity=0)
    topic.set_up()
    rule = Rule.objects.get()
    destination = Destination.objects.get()
    assert (rule.each, destination.masked(), destination.per_hour) == (True, {"topic_arn": arn}, 0)
    assert NotificationChange.objects.count() == 2
    settings.NOTIFY_TOPIC_ARN = f"{arn}-2"  # the destination follows
    topic.set_up()
    assert Destination.objects.get().masked() == {"topic_arn": f"{arn}-2"}
    add_rule("finding", destination.name, name=rule.name, enabled=False)
    topic.set_up()
    assert not Rule.objects.get().enabled
    now = timezone.now()
    Rule.objects.update(removed_at=now)
    Destination.objects.update(removed_at=now)
    topic.set_up()
    assert not Rule.objects.present().exists()
    assert not Destination.objects.present().exists()


@pytest.mark.every_database  # distinct rows with JSON
def test_a_topic_that_a_person_chose_stays(settings: Settings) -> None:
    arn = "arn:aws:sns:eu-central-1:123456789012:notices"
    settings.NOTIFY_TOPIC_ARN = arn
    topic.set_up()
    add("sns", {"topic_arn": f"{arn}-chosen"}, name=topic.NAME)
    topic.set_up()
    settings.NOTIFY_TOPIC_ARN = f"{arn}-2"
    topic.set_up()
    assert Destination.objects.get().masked() == {"topic_arn": f"{arn}-chosen"}
    assert topic.topics() == [f"{arn}-chosen"]  # which the self-test tries
    rule = Rule.objects.get()
    add_rule("finding", topic.NAME, name=rule.name, enabled=False)
    assert topic.topics() == []
    assert Rule.objects.count() == 1


@pytest.mark.every_database  # a migration
def test_nothing_is_set_up_before_all_tables_are_there(settings: Settings) -> None:
    settings.NOTIFY_TOPIC_ARN = "arn:aws:sns:eu-central-1:123456789012:notices"
    MigrationRecorder(connection).record_unapplied("notifications", _newest())
    topic.when_migrated(None, "default")
    assert not Destination.objects.exists()
    MigrationRecorder(connection).record_applied("notifications", _newest())
    topic.when_migrated(None, "default")
    assert Destination.objects.exists()


def _newest() -> str:
    [(_, name)] = MigrationLoader(connection).graph.leaf_nodes("notifications")
    return str(name)


def test_without_the_setting_nothing_is_set_up() -> None:
    topic.set_up()
    assert not Destination.objects.exists()
