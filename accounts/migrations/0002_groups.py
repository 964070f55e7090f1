from __future__ import annotations

from typing import Any

from django.db import migrations

VIEWERS = {
    ("findings", "threatpolicy"): {"view_threatpolicy": "Can view threat policy"},
    ("findings", "policychange"): {"view_policychange": "Can view policy change"},
    ("license", "license"): {"view_license": "Can view license"},
}
OPERATORS = {
    ("findings", "threatpolicy"): {"change_threatpolicy": "Can change threat policy"},
}
ADMINISTRATORS = {
    ("license", "license"): {"add_license": "Can add license"},
    ("auth", "user"): {
        "view_user": "Can view user",
        "add_user": "Can add user",
        "change_user": "Can change user",
    },
    ("auth", "group"): {"view_group": "Can view group"},
    ("allauth_idp_oidc", "client"): {
        "view_client": "Can view client",
        "delete_client": "Can delete client",
    },
}
GROUPS = {
    "viewers": [VIEWERS],
    "operators": [VIEWERS, OPERATORS],
    "administrators": [VIEWERS, OPERATORS, ADMINISTRATORS],
}


def create_groups(apps: Any, schema_editor: Any) -> None:
    # Permissions and their content types are made here, because Django makes them only after the
    # last migration. It looks for them by codename then, and finds these.
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    for group_name, tables in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=group_name)
        for table in tables:
            for (app_label, model), permissions in table.items():
                content_type, _ = ContentType.objects.get_or_create(
                    app_label=app_label, model=model
                )
                for codename, name in permissions.items():
                    permission, _ = Permission.objects.get_or_create(
                        content_type=content_type, codename=codename, defaults={"name": name}
                    )
                    group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_cache_table"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_groups, migrations.RunPython.noop)]
