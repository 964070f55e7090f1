from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """Users, groups, API clients, sessions and the security log."""

    name = "accounts"
    role_permissions = {
        "administrators": [
            "accounts.view_securityevent",
            "auth.view_user",
            "auth.add_user",
            "auth.change_user",
            "auth.view_group",
            "allauth_idp_oidc.view_client",
            "allauth_idp_oidc.add_client",
            "allauth_idp_oidc.change_client",
            "allauth_idp_oidc.delete_client",
        ],
    }
    role_powers = {
        "administrators": ["manage people and API clients", "read the security log"],
    }

    def ready(self) -> None:
        from accounts import (  # noqa: F401  (most register)
            checks,
            problems,
            receivers,
            roles,
            waiting,
        )

        waiting.install()
        post_migrate.connect(roles.create_groups, sender=self)
