"""`manage.py starterpolicy` sets a first policy and never replaces one."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from findings import policy
from findings.models import PolicyChange, Target, ThreatPolicy
from license.models import License

EXFILTRATION = "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"


def test_it_sets_what_its_help_says_and_logs_it(
    valid_license: License, viewer_client: Client
) -> None:
    call_command("starterpolicy")
    actions = ThreatPolicy.objects.actions()

    def action(finding_type: str) -> str:
        return policy.resolve(actions, finding_type=finding_type, severity="HIGH").action

    assert action("UnauthorizedAccess:EC2/SSHBruteForce") == "BLOCK"
    assert action("Recon:IAMUser/MaliciousIPCaller") == "BLOCK"
    assert action("UnauthorizedAccess:S3/TorIPCaller") == "BLOCK"
    assert action(EXFILTRATION) == "REVOKE"
    assert action("AttackSequence:S3/CompromisedData") == "SAVE"
    assert action("Trojan:EC2/DropPoint") == "REPORT"
    assert "IGNORE" not in actions.values()
    assert PolicyChange.objects.count() == len(actions)
    page = viewer_client.get("/changes").content.decode()
    assert 'starterpolicy <span class="quiet small">· Command</span>' in page


def test_an_existing_policy_stays(valid_license: License) -> None:
    ThreatPolicy.objects.create(service="S3", action="SAVE")
    with pytest.raises(CommandError, match="A policy is already set"):
        call_command("starterpolicy")
    assert ThreatPolicy.objects.actions() == {Target("S3", "", ""): "SAVE"}
    assert not PolicyChange.objects.exists()


def test_without_a_license_it_sets_nothing(expired_license: License) -> None:
    with pytest.raises(CommandError, match=r"was not set.*expired"):
        call_command("starterpolicy")
    assert not ThreatPolicy.objects.exists()
