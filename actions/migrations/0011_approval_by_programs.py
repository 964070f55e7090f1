from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    """Programs can approve and reject too. They have no user."""

    dependencies = [
        ("actions", "0010_approved"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "verdict",
            "client_id",
            models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AlterField(
            "verdict",
            "by",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        # On SQLite, the changed column drops the triggers.
        AppendOnly("actions_verdict"),
    ]
