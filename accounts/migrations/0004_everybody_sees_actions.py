from __future__ import annotations

from typing import Any

from django.db import migrations

PERMISSIONS = {
    "view_reaction": ("Can view action", ["viewers", "operators", "administrators"]),
    "add_reaction": ("Can add action", ["operators", "administrators"]),
}


def let_operators_act(apps: Any, schema_editor: Any) -> None:
    # Made here, because Django makes permissions only after the last migration; see 0002.
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="actions", model="reaction"
    )
    for codename, (name, groups) in PERMISSIONS.items():
        permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )
        for group in apps.get_model("auth", "Group").objects.filter(name__in=groups):
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_viewers_see_findings"),
        ("actions", "0001_reactions"),
    ]

    operations = [migrations.RunPython(let_operators_act, migrations.RunPython.noop)]
