from __future__ import annotations

from findings import policy
from findings.models import Target

TYPE = "UnauthorizedAccess:EC2/SSHBruteForce"

# From most to least specific.
SETTINGS = {
    Target("", TYPE, "HIGH"): "BLOCK",
    Target("", TYPE, ""): "SAVE",
    Target("EC2", "", "HIGH"): "IGNORE",
    Target("EC2", "", ""): "REVOKE",
}


def test_the_most_specific_setting_applies_and_taking_it_back_uncovers_the_next() -> None:
    settings = dict(SETTINGS)
    for target, action in SETTINGS.items():
        applies = policy.resolve(settings, finding_type=TYPE, severity="HIGH")
        assert applies == (action, target)
        del settings[target]
    assert policy.resolve(settings, finding_type=TYPE, severity="HIGH") == ("REPORT", None)


def test_a_setting_for_one_severity_says_nothing_of_another() -> None:
    applies = policy.resolve(SETTINGS, finding_type=TYPE, severity="LOW")
    assert applies == ("SAVE", Target("", TYPE, ""))


def test_a_setting_for_one_type_says_nothing_of_another() -> None:
    applies = policy.resolve(SETTINGS, finding_type="Recon:EC2/Portscan", severity="HIGH")
    assert applies == ("IGNORE", Target("EC2", "", "HIGH"))


def test_a_service_of_another_name_is_not_reached() -> None:
    applies = policy.resolve(SETTINGS, finding_type="Impact:S3/MaliciousIPCaller", severity="HIGH")
    assert applies == ("REPORT", None)


def test_a_new_type_inherits_from_the_service_in_its_name() -> None:
    applies = policy.resolve(SETTINGS, finding_type="NewPurpose:EC2/NewFamily", severity="LOW")
    assert applies == ("REVOKE", Target("EC2", "", ""))


def test_a_service_is_resolved_like_a_type_without_its_types() -> None:
    assert policy.resolve(SETTINGS, service="EC2", severity="HIGH").action == "IGNORE"
    assert policy.resolve(SETTINGS, service="EC2", severity="LOW").action == "REVOKE"
    assert policy.resolve(SETTINGS, service="EC2").action == "REVOKE"
    assert policy.resolve(SETTINGS, service="S3").action == "REPORT"
