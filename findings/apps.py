from __future__ import annotations

from django.apps import AppConfig


class FindingsConfig(AppConfig):
    name = "findings"
    role_permissions = {
        "viewers": [
            "findings.view_finding",
            "findings.view_threatpolicy",
            "findings.view_policychange",
        ],
        "operators": ["findings.change_threatpolicy", "findings.change_accountname"],
    }

    def ready(self) -> None:
        from findings import problems  # noqa: F401  (it registers them)
