from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0002_findings_and_what_they_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountName",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account_id",
                    models.CharField(max_length=64, unique=True, verbose_name="AWS account"),
                ),
                ("name", models.CharField(max_length=100)),
            ],
            options={
                "default_permissions": ("change",),
            },
        ),
    ]
