from __future__ import annotations

from typing import Any

from django.db import migrations

STAFF = {
    "customer": {
        "view_customer": "Can view customer",
        "suspend_customer": "Can suspend and reinstate customers",
    },
    "order": {"view_order": "Can view order", "mark_paid_order": "Can mark orders paid"},
    "issuedlicense": {
        "view_issuedlicense": "Can view license",
        "revoke_issuedlicense": "Can revoke licenses",
        "replace_issuedlicense": "Can replace licenses",
    },
    "act": {"view_act": "Can view journal entry"},
}


def create_group(apps: Any, schema_editor: Any) -> None:
    # Django creates permissions and content types only after the last migration. Create them here;
    # Django then finds these by codename.
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    staff, _ = apps.get_model("auth", "Group").objects.get_or_create(name="licensing staff")
    for model, permissions in STAFF.items():
        content_type, _ = ContentType.objects.get_or_create(app_label="panel", model=model)
        for codename, name in permissions.items():
            permission, _ = Permission.objects.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": name}
            )
            staff.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("panel", "0002_cache_table"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_group, migrations.RunPython.noop)]
