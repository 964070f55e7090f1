from __future__ import annotations

from typing import Any

from django.db import migrations


def let_everybody_with_a_role_see_findings(apps: Any, schema_editor: Any) -> None:
    # Made here, because Django makes permissions only after the last migration; see 0002.
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="findings", model="finding"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type,
        codename="view_finding",
        defaults={"name": "Can view finding"},
    )
    for group in apps.get_model("auth", "Group").objects.filter(
        name__in=["viewers", "operators", "administrators"]
    ):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_groups"),
        ("findings", "0002_findings_and_what_they_name"),
    ]

    operations = [
        migrations.RunPython(let_everybody_with_a_role_see_findings, migrations.RunPython.noop)
    ]
