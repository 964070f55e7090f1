from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("findings", "0018_journal")]

    operations = [
        migrations.AddField(
            model_name="entity",
            name="last_seen_at",
            field=models.DateTimeField(null=True),
        ),
    ]
