from __future__ import annotations

from typing import Any

from django.db import migrations

OPERATORS = ["operators", "administrators"]
PERMISSIONS = {
    ("actions", "reaction", "view_reaction"): ("Can view action", ["viewers", *OPERATORS]),
    ("actions", "reaction", "add_reaction"): ("Can add action", OPERATORS),
    ("findings", "accountname", "change_accountname"): ("Can change account name", OPERATORS),
}


def let_operators_act(apps: Any, schema_editor: Any) -> None:
    # Made here, because Django makes permissions only after the last migration; see 0002.
    for (app_label, model, codename), (name, groups) in PERMISSIONS.items():
        content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
            app_label=app_label, model=model
        )
        permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )
        for group in apps.get_model("auth", "Group").objects.filter(name__in=groups):
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_viewers_see_findings"),
        ("actions", "0001_reactions"),
        ("findings", "0003_account_names"),
    ]

    operations = [migrations.RunPython(let_operators_act, migrations.RunPython.noop)]
