"""System checks report containment settings that are invalid or have no effect."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from actions.checks import check_containment


@pytest.mark.parametrize(
    ("name", "value", "check_id"),
    [
        ("CONTAINMENT", "yes", "actions.E001"),
        ("NEVER_BLOCK", ["10.0.0.0/8", "10.0.0.0/40"], "actions.E002"),
        ("BLOCK_IP_SETS", ["arn:aws:s3:::bucket"], "actions.E003"),
        ("MAX_CONTAINMENTS_PER_HOUR", 0, "actions.E004"),
        ("FINDINGS_QUEUE_URL", "findings", "actions.E005"),
        ("BLOCK_FOR", "a week", "actions.E007"),
        ("NOTIFY_TOPIC_ARN", "notices", "actions.E006"),
        ("BLOCK_PREFIX_LISTS", ["pl-1"], "actions.E009"),
        ("BLOCK_DOMAIN_LISTS", ["rslvr-fdl-1"], "actions.E009"),
        ("ISOLATION", "yes", "actions.E010"),
        ("ARCHIVE_FINDINGS", "yes", "actions.E010"),
        ("MEMBER_ACCOUNTS", ["123456789012", "all"], "actions.E011"),
        ("MEMBER_EXTERNAL_ID", "a secret", "actions.E008"),
        ("CONTAINMENT", "on", "actions.W001"),
        (
            "BLOCK_DOMAIN_LISTS",
            ["arn:aws:route53resolver:eu-west-1:210987654321:firewall-domain-list/rslvr-fdl-1"],
            "actions.W002",
        ),
    ],
)
def test_what_is_wrong_has_a_name_and_a_hint(
    settings: Settings, name: str, value: object, check_id: str
) -> None:
    settings.BLOCK_IP_SETS = []
    assert not list(check_containment())
    setattr(settings, name, value)
    (found,) = check_containment()
    assert found.id == check_id
    assert found.hint
    assert name in f"{found.msg}{found.hint}"
