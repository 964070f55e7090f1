from __future__ import annotations

from django.db import migrations, models

from storage.indexes import AddIndexBesideWrites


class Migration(migrations.Migration):
    atomic = False  # see AddIndexBesideWrites

    dependencies = [("actions", "0011_approval_by_programs")]

    operations = [
        AddIndexBesideWrites(
            model_name="reaction",
            index=models.Index(fields=["state", "-id"], name="reaction_by_state"),
        ),
        AddIndexBesideWrites(
            model_name="reaction",
            index=models.Index(
                fields=["state", "kind", "decided_at"], name="reaction_by_kind_and_state"
            ),
        ),
    ]
