"""`manage.py samplefinding` ingests a sample and prints the result."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from actions.models import Reaction, State
from actions.tests.attacks import set_action
from findings import catalogue
from findings.guardduty.parser import ParsedFinding
from findings.models import Finding
from findings.tests.findings import BRUTE_FORCE

EXFILTRATION = "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"
SEQUENCE = "AttackSequence:S3/CompromisedData"


@pytest.fixture
def sent(db: None, capsys: pytest.CaptureFixture[str]) -> Any:
    def send(*arguments: str) -> str:
        call_command("samplefinding", *arguments)
        return capsys.readouterr().out

    return send


def test_a_rule_fires_and_the_command_says_where_to_look(sent: Any) -> None:
    set_action("BLOCK", severity="HIGH")
    printed = sent()
    finding = Finding.objects.get()
    assert printed.splitlines() == [
        f"finding: {BRUTE_FORCE}, HIGH, from 192.88.99.1",
        f"policy:  BLOCK is set for {BRUTE_FORCE}, HIGH.",
        "action:  Block 192.88.99.1: dry run. Nothing was done: CONTAINMENT is dry-run."
        " No path for SSH: a web ACL stops HTTP only. Set up BLOCK_PREFIX_LISTS.",
        f"page:    http://testserver/events/{finding.pk}",
    ]
    parsed = finding.parsed
    assert isinstance(parsed, ParsedFinding) and parsed.is_sample
    sent()
    assert Finding.objects.count() == 2  # each call creates a new finding


def test_type_severity_and_address_are_chosen(sent: Any) -> None:
    set_action("BLOCK", severity="HIGH")
    assert "REPORT by default.\naction:  None. The finding is only reported." in sent(
        "--severity", "low"
    )
    assert "Block 2606:4700::1: dry run." in sent("--address", "2606:4700:0::1")
    assert "Block 10.0.0.9: prevented. The address is private or reserved." in sent(
        "--address", "10.0.0.9"
    )
    set_action("REVOKE", finding_type=EXFILTRATION)
    assert "Revoke sample-role: dry run." in sent(EXFILTRATION)
    set_action("SAVE", finding_type=SEQUENCE)
    assert f"{SEQUENCE}, CRITICAL" in sent(SEQUENCE)
    set_action("IGNORE", finding_type="Recon:EC2/Portscan")
    assert "IGNORE is set, so the finding was not stored." in sent("Recon:EC2/Portscan")


@pytest.mark.one_database  # the same queries for each type, which the tests above run on both
def test_every_type_of_the_catalogue_fires(sent: Any) -> None:
    for name, known in catalogue.FINDING_TYPES.items():
        action = "REVOKE" if known.names_credential else "BLOCK"
        set_action(action, finding_type=name)
        assert "dry run. Nothing was done" in sent(name), name
    assert not Finding.objects.exclude(problem="").exists()


def test_nothing_is_sent_while_containment_is_on(db: None, settings: Settings) -> None:
    settings.CONTAINMENT = "on"
    with pytest.raises(CommandError, match="CONTAINMENT is on"):
        call_command("samplefinding")
    assert not Finding.objects.exists()


@pytest.mark.one_database  # refused arguments
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--severity", "WORSE"], "choose from"),
        (["--address", "1.2.3"], "'1.2.3' is not an IPv4 or IPv6 address"),
        (["--address", "fe80::1%eth0"], "is not an IPv4 or IPv6 address"),
        (["SSHBruteForce"], "does not have the format ThreatPurpose:Resource/Family"),
        (
            ["UnauthorizedAccess:EC2:SSHBruteForce"],
            "Did you mean UnauthorizedAccess:EC2/SSHBruteForce",
        ),
    ],
)
def test_bad_input_is_told_and_nothing_is_sent(db: None, arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("samplefinding", *arguments)
    assert not Reaction.objects.exists() and not Finding.objects.exists()


def test_a_type_that_is_not_in_the_catalogue_is_sent_and_told(
    sent: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    set_action("BLOCK", finding_type="NewPurpose:EC2/NewFamily")
    call_command("samplefinding", "NewPurpose:EC2/NewFamily")
    assert "is not in the catalog. It is ingested anyway" in capsys.readouterr().err
    assert Reaction.objects.get().state == State.DRY_RUN
