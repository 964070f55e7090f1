"""The index of repeats that no message has counted."""

from django.db import migrations, models

from storage.indexes import AddIndexBesideWrites


class Migration(migrations.Migration):
    atomic = False  # see AddIndexBesideWrites

    dependencies = [("notifications", "0003_message_ids_and_retention")]

    operations = [
        AddIndexBesideWrites(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("held__gt", 0)), fields=["until"], name="hold_to_tell"
            ),
        ),
    ]
