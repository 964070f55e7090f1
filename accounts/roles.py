"""The groups that people are in, and what each may do."""

from __future__ import annotations

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions

INHERITS = {
    "viewers": ["viewers"],
    "operators": ["viewers", "operators"],
    "administrators": ["viewers", "operators", "administrators"],
}
NAMES = list(INHERITS)


def declared() -> dict[str, set[str]]:
    """The permissions of each group, as "app_label.codename".

    Each app declares its own: its AppConfig has `role_permissions`, a dict of a group's name and
    the permissions that this group and those above it have.
    """
    own: dict[str, set[str]] = {name: set() for name in NAMES}
    for config in installed.get_app_configs():
        for name, permissions in getattr(config, "role_permissions", {}).items():
            own[name].update(permissions)
    return {name: set().union(*(own[one] for one in bases)) for name, bases in INHERITS.items()}


def create_groups(using: str, apps: Any = installed, **kwargs: Any) -> None:
    """Makes the groups, and gives them the declared permissions and no others.

    A receiver of `post_migrate`: an upgrade, or a flush of a test's database, leaves them right.
    """
    try:
        Group = apps.get_model("auth", "Group")
        Permission = apps.get_model("auth", "Permission")
    except LookupError:  # the tables are not there yet
        return
    roles = declared()
    for label in {name.partition(".")[0] for names in roles.values() for name in names}:
        create_permissions(installed.get_app_config(label), verbosity=0, using=using, apps=apps)
    for group_name, names in roles.items():
        group, _ = Group.objects.using(using).get_or_create(name=group_name)
        pks = []
        for name in sorted(names):
            label, _, codename = name.partition(".")
            found = Permission.objects.using(using).filter(
                content_type__app_label=label, codename=codename
            )
            pks += found.values_list("pk", flat=True)
        group.permissions.set(pks)
