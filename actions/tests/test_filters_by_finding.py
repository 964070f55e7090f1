"""Actions are filtered by the type and the account of their findings."""

from __future__ import annotations

from importlib import import_module

from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import guardduty_archive, limits
from actions.models import Reaction
from actions.tests.attacks import STOLEN, arrive, attack, later, set_action, stolen, undo
from findings.tests.findings import BRUTE_FORCE
from license.models import License
from tests.tampering import tamper, without_triggers

OTHER = "210987654321"


def targets(client: Client, query: str) -> list[str]:
    answer = client.get(f"/actions?{query}")
    assert answer.status_code == 200, answer.content
    return [one["target"] for one in answer.json()["actions"]]


def test_whoever_adds_an_action_says_what_its_finding_is(
    operator: User, operator_client: Client, valid_license: License, settings: Settings
) -> None:
    settings.CONTAINMENT, settings.ARCHIVE_FINDINGS = "on", "on"
    set_action("BLOCK")
    arrive(attack(1), attack(2))
    by_policy, again = Reaction.objects.filter(kind="BLOCK").order_by("pk")
    path = f"/actions/by-hand/events/{by_policy.finding_id}"
    operator_client.post(path, {"what": "BLOCK:address:81.2.0.2", "lasts": "policy", "reason": "x"})
    assert undo(again, operator)
    with later(days=8):
        limits.lift(timezone.now())
    guardduty_archive.closed([by_policy.its_finding.pk], at=timezone.now())
    rows = Reaction.objects.values_list("kind", "finding_type", "finding_account_id")
    expected = ["ARCHIVE", "BLOCK", "BLOCK", "BLOCK", "UNBLOCK", "UNBLOCK"]
    assert sorted(rows) == [(kind, BRUTE_FORCE, "123456789012") for kind in expected]


def test_what_an_earlier_version_added_is_found_before_and_after_it_is_filled(
    viewer_client: Client,
) -> None:
    set_action("BLOCK")
    set_action("REVOKE", finding_type=STOLEN)
    arrive(attack(1), stolen("AKIAIOSFODNN7EXAMPLE", number=2), attack(3, accountId=OTHER))
    tamper("UPDATE actions_reaction SET finding_type = NULL, finding_account_id = NULL, why = ''")
    arrive(attack(4, accountId=OTHER))
    fill = import_module("actions.migrations.0016_fill_type_and_account").fill
    apps = MigrationLoader(connection).project_state(("actions", "0017_fix_type_and_account")).apps
    for _ in range(2):
        assert targets(viewer_client, f"account={OTHER}") == ["81.2.0.5", "81.2.0.4"]
        assert targets(viewer_client, f"q={OTHER}&sort=oldest") == ["81.2.0.4", "81.2.0.5"]
        for query in (f"type={STOLEN}", f"q={STOLEN}", f"type={STOLEN}&q=AKIA", "q=ConsoleLogin"):
            assert targets(viewer_client, query) == ["AKIAIOSFODNN7EXAMPLE"]
        assert targets(viewer_client, f"type={STOLEN}&account={OTHER}") == []
        with without_triggers():
            fill(apps, None)
    assert not Reaction.objects.filter(finding_account_id=None).exists()
