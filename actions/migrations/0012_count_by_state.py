from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("actions", "0011_approval_by_programs")]

    operations = [
        migrations.AddIndex(
            model_name="reaction",
            index=models.Index(fields=["state", "-id"], name="reaction_by_state"),
        ),
        migrations.AddIndex(
            model_name="reaction",
            index=models.Index(
                fields=["state", "kind", "decided_at"], name="reaction_by_kind_and_state"
            ),
        ),
    ]
