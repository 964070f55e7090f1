"""The groups of users and their permissions."""

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
    """Returns the permissions of each group, as "app_label.codename".

    Each AppConfig declares its own in `role_permissions`: a dict from a group name to permissions.
    Groups inherit the permissions of lesser groups, see INHERITS.
    """
    own: dict[str, set[str]] = {name: set() for name in NAMES}
    for config in installed.get_app_configs():
        for name, permissions in getattr(config, "role_permissions", {}).items():
            own[name].update(permissions)
    return {name: set().union(*(own[one] for one in bases)) for name, bases in INHERITS.items()}


def powers() -> dict[str, str]:
    """Returns what each group can do, for people, such as "view actions, and view the license".

    Each AppConfig describes its `role_permissions` in `role_powers`. Groups can also do what lesser
    groups can.
    """
    own: dict[str, list[str]] = {name: [] for name in NAMES}
    for config in installed.get_app_configs():
        for name, texts in getattr(config, "role_powers", {}).items():
            own[name] += texts
    return {
        name: ("also " if len(INHERITS[name]) > 1 else "") + _listed(texts)
        for name, texts in own.items()
    }


def in_a_sentence() -> str:
    """Returns what all groups can do, as part of a sentence."""
    return "; ".join(f"{name} can {text}" for name, text in powers().items())


def _listed(texts: list[str]) -> str:
    *most, last = texts
    return f"{', '.join(most)}, and {last}" if most else last


def create_groups(using: str, apps: Any = installed, **kwargs: Any) -> None:
    """Creates the groups and gives them exactly the declared permissions.

    Connected to `post_migrate`, so that upgrades and test database flushes restore the groups.
    """
    try:
        Group = apps.get_model("auth", "Group")
        Permission = apps.get_model("auth", "Permission")
    except LookupError:  # the tables do not exist yet
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
