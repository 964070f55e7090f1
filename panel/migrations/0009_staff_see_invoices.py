from __future__ import annotations

from typing import Any

from django.db import migrations

STAFF = {
    "invoice": {"view_invoice": "Can view invoice"},
    "outgoingmail": {"view_outgoingmail": "Can view e-mail"},
}


def extend_group(apps: Any, schema_editor: Any) -> None:
    # As in 0003_staff_group: Django creates permissions only after the last migration.
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
    dependencies = [("panel", "0008_cancelled_orders_make_room")]

    operations = [migrations.RunPython(extend_group, migrations.RunPython.noop)]
