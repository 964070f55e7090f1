from __future__ import annotations

from django.apps import AppConfig


class FindingsConfig(AppConfig):
    """The findings app, and the permissions that each role has in it."""

    name = "findings"
    role_permissions = {
        "viewers": [
            "findings.view_finding",
            "findings.view_threatpolicy",
            "findings.view_policychange",
        ],
        "operators": [
            "findings.change_threatpolicy",
            "findings.change_accountname",
            "findings.triage_finding",
        ],
    }
    role_powers = {
        "viewers": ["view events, entities and AWS accounts", "view the policy and its changes"],
        "operators": ["change the policy", "triage findings", "name AWS accounts"],
    }

    def ready(self) -> None:
        from findings import problems  # noqa: F401  (registers the problem types)
