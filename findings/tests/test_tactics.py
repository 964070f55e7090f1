"""The ATT&CK tactic of a finding type."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from findings.catalogue import FINDING_TYPES, Source
from findings.events import TacticOrNone
from findings.guardduty.attack import TACTICS, tactic_of
from findings.ingest import ingest
from findings.models import Finding
from findings.tests.findings import finding
from findings.tests.test_events_page import NOON


@pytest.mark.parametrize(
    ("finding_type", "tactic"),
    [
        ("CredentialAccess:IAMUser/AnomalousBehavior", "Credential Access"),
        ("Recon:EC2/Portscan", "Reconnaissance"),
        ("DefenseImpairment:S3/DisableOrModifyTools", "Defense Impairment"),
        ("CryptoCurrency:EC2/BitcoinTool.B!DNS", "Impact"),
        ("Cryptocurrency:EC2/Unheard", "Impact"),
        ("Collection:S3/NewInNextYear", "Collection"),
        ("AttackSequence:S3/CompromisedData", ""),
        ("Policy:S3/BucketPublicAccessGranted", ""),
        ("no type at all", ""),
        ("", ""),
    ],
)
def test_the_threat_purpose_names_the_tactic(finding_type: str, tactic: str) -> None:
    assert tactic_of(finding_type) == tactic


def test_each_threat_purpose_of_guardduty_is_decided_on() -> None:
    purposes = {
        one.name.partition(":")[0]
        for one in FINDING_TYPES.values()
        if one.source is Source.GUARDDUTY and not tactic_of(one.name)
    }
    assert purposes == {"AttackSequence", "Behavior", "Object", "PenTest", "Policy"}


def test_the_filter_offers_every_tactic() -> None:
    assert [*TACTICS, "none"] == TacticOrNone.values


def test_the_migration_names_the_tactics_of_older_findings(db: None) -> None:
    ingest(
        [finding(1), finding(2, type="Impact:EC2/PortSweep"), finding(3, type="Policy:S3/Any")],
        settings={},
        at=NOON,
    )
    Finding.objects.update(tactic="")
    import_module("findings.migrations.0008_tactic").name_tactics(apps, None)
    assert list(Finding.objects.order_by("finding_id").values_list("tactic", flat=True)) == [
        "Initial Access",
        "Impact",
        "",
    ]


def test_a_stored_finding_that_is_set_aside_later_says_so(db: None) -> None:
    ingest([finding(1)], settings={}, at=NOON)
    result = ingest([finding(1, service={"archived": True})], settings={}, at=NOON)
    assert result.updated == 1
    parsed = Finding.objects.get().parsed
    assert parsed
    assert parsed.set_aside == "The finding is archived in GuardDuty."
