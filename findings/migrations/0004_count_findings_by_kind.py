from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0003_account_names"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                fields=["finding_type", "severity", "seen_at"], name="finding_by_kind"
            ),
        ),
    ]
