from __future__ import annotations

from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

from accounts import roles

READ = {
    "findings.view_threatpolicy",
    "findings.view_policychange",
    "findings.view_finding",
    "actions.view_reaction",
    "license.view_license",
    "detectors.view_bucket",
    "notifications.view_rule",
}
CHANGE = READ | {
    "findings.change_threatpolicy",
    "findings.change_accountname",
    "findings.triage_finding",
    "actions.add_reaction",
    "detectors.change_bucket",
    "notifications.change_rule",
}
ADMINISTER = CHANGE | {
    "license.add_license",
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
    "auth.view_group",
    "allauth_idp_oidc.view_client",
    "allauth_idp_oidc.add_client",
    "allauth_idp_oidc.change_client",
    "allauth_idp_oidc.delete_client",
    "accounts.view_securityevent",
    "notifications.change_destination",
}


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("stranger", set()),
        ("viewer", READ),
        ("operator", CHANGE),
        ("administrator", ADMINISTER),
    ],
)
def test_each_group_may_do_what_its_name_says(
    who: str, may: set[str], request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(who)
    assert user.get_all_permissions() == may


def test_there_are_three_groups(groups: None) -> None:
    names = set(Group.objects.values_list("name", flat=True))
    assert names == {"viewers", "operators", "administrators"}


def test_django_finds_the_permissions_that_the_migration_made(groups: None) -> None:
    before = Permission.objects.count()
    call_command("migrate", stdout=StringIO())
    assert Permission.objects.count() == before
    for group in Group.objects.prefetch_related("permissions__content_type"):
        for permission in group.permissions.all():
            assert permission.content_type.model_class() is not None


def test_the_pages_say_what_each_role_can_do(
    stranger_client: Client, viewer_client: Client
) -> None:
    described = apps.get_app_configs()
    for config in described:
        declared = getattr(config, "role_permissions", {})
        assert getattr(config, "role_powers", {}).keys() == declared.keys(), config.name
    refused = viewer_client.get("/admin/auth/user/", headers={"Accept": "text/html"})
    without = stranger_client.get("/accounts/no-role/")
    explained = viewer_client.get("/problems/permission-denied")
    for page in (refused, without, explained):
        for name, text in roles.powers().items():
            assert name in page.content.decode().lower()
            assert text.lower() in page.content.decode().lower()
