from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A principal can be denied on a bucket. The end of its time limit restores it."""

    dependencies = [("actions", "0013_retention")]

    operations = [
        migrations.AlterField(
            "reaction",
            "kind",
            models.CharField(
                "action",
                choices=[
                    ("BLOCK", "Block"),
                    ("UNBLOCK", "Unblock"),
                    ("REVOKE", "Revoke"),
                    ("ISOLATE", "Isolate"),
                    ("DENY", "Deny"),
                    ("RESTORE", "Restore"),
                    ("SAVE", "Save"),
                    ("NOTIFY", "Notify"),
                    ("ARCHIVE", "Archive"),
                ],
                max_length=8,
            ),
        ),
        migrations.RemoveConstraint("reaction", "a_finding_is_acted_on_once"),
        migrations.AddConstraint(
            "reaction",
            models.UniqueConstraint(
                condition=models.Q(
                    ("requested_by_name", ""),
                    models.Q(("kind__in", ["UNBLOCK", "RESTORE"]), _negated=True),
                ),
                fields=("finding", "kind", "target_kind", "target"),
                name="a_finding_is_acted_on_once",
            ),
        ),
    ]
