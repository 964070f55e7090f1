"""A finding that was contained is archived in GuardDuty, if that is on."""

from __future__ import annotations

import boto3
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api_auth import Caller
from actions import guardduty_archive
from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import STOLEN, arrive, attack, emptied, set_action, stolen
from actions.tests.credentials import iam_key
from findings.models import Finding, Status, TriageEntry
from findings.triage import Change, triage
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS


@pytest.fixture(autouse=True)
def _archives(cloud: Cloud, ip_set: str, settings: Settings) -> None:
    settings.ARCHIVE_FINDINGS = "on"
    cloud.client("guardduty").create_detector(Enable=True)
    set_action("BLOCK")
    set_action("BLOCK", finding_type=STOLEN)


def archived(cloud: Cloud, session: boto3.Session) -> set[str]:
    for _ in range(3):
        carry_out_due(session)
    return cloud.more.archived


@pytest.mark.every_database  # queries
def test_what_was_contained_is_archived_once(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    arrive(attack(1), stolen(iam_key(cloud), number=2))
    assert archived(cloud, session) == {f"{1:032x}", f"{2:032x}"}
    guardduty_archive.closed(Finding.objects.values_list("pk", flat=True), at=timezone.now())
    assert Reaction.objects.filter(kind="ARCHIVE").count() == 2


def test_findings_of_our_detectors_are_not_in_guardduty(cloud: Cloud) -> None:
    arrive(attack(1), emptied(cloud, 2))
    guardduty_archive.closed(Finding.objects.values_list("pk", flat=True), at=timezone.now())
    asked = Reaction.objects.filter(kind="ARCHIVE").values_list("target", flat=True)
    assert list(asked) == [f"{1:032x}"]


@pytest.mark.every_database  # queries
def test_what_was_not_contained_stays_until_a_person_closes_it(
    cloud: Cloud, session: boto3.Session, operator: User
) -> None:
    cloud.fail("GetAccessKeyLastUsed", "NoSuchEntity", status=404)
    arrive(
        attack(1, "10.0.0.1"),  # prevented
        attack(2, port=22),  # no path
        stolen("AKIAIOSFODNN7EXAMPLE", number=3),  # blocked, but not revoked
    )
    assert archived(cloud, session) == set()
    closed = Finding.objects.filter(finding_id=f"{2:032x}").values_list("pk", flat=True)
    by, change = Caller(name="oscar", user=operator), Change(status=Status.FALSE_POSITIVE)
    triage(closed, change, by=by, source=TriageEntry.Source.PAGE, at=timezone.now())
    assert archived(cloud, session) == {f"{2:032x}"}


def test_a_finding_that_guardduty_does_not_let_archive_says_so(
    cloud: Cloud, session: boto3.Session
) -> None:
    cloud.fail("ArchiveFindings", "BadRequestException")
    arrive(attack(1))
    archived(cloud, session)
    asked = Reaction.objects.get(kind="ARCHIVE")
    assert (asked.state, asked.outcome) == ("failed", "BadRequestException: no")


def test_without_the_setting_nothing_is_archived(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.ARCHIVE_FINDINGS = "off"
    arrive(attack(1))
    assert archived(cloud, session) == set()
