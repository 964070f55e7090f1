from __future__ import annotations

from typing import Any

from django.db import migrations, models

from findings.guardduty.attack import tactic_of


def name_tactics(apps: Any, schema_editor: Any) -> None:
    """Stores the ATT&CK tactic of the findings that arrived before, type by type."""
    findings = apps.get_model("findings", "Finding").objects
    for finding_type in list(findings.values_list("finding_type", flat=True).distinct()):
        if tactic := tactic_of(finding_type):
            findings.filter(finding_type=finding_type).update(tactic=tactic)


class Migration(migrations.Migration):
    dependencies = [("findings", "0007_append_only")]

    operations = [
        migrations.AddField(
            model_name="finding",
            name="tactic",
            field=models.CharField(
                blank=True, default="", max_length=32, verbose_name="ATT&CK tactic"
            ),
            preserve_default=False,
        ),
        migrations.RunPython(name_tactics, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(fields=["tactic", "-seen_at"], name="finding_by_tactic"),
        ),
    ]
