from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Entity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("name", models.CharField(max_length=512)),
            ],
            options={
                "verbose_name_plural": "entities",
                "default_permissions": (),
                "indexes": [models.Index(fields=["name"], name="entity_by_name")],
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "name"), name="each_entity_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Finding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.CharField(max_length=64, verbose_name="AWS account")),
                ("region", models.CharField(max_length=64)),
                ("finding_id", models.CharField(max_length=300)),
                ("finding_type", models.CharField(max_length=200)),
                (
                    "severity",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("LOW", "Low"),
                            ("MEDIUM", "Medium"),
                            ("HIGH", "High"),
                            ("CRITICAL", "Critical"),
                        ],
                        max_length=8,
                    ),
                ),
                ("score", models.FloatField(null=True, verbose_name="severity")),
                ("title", models.TextField(blank=True)),
                ("description", models.TextField(blank=True)),
                ("count", models.PositiveIntegerField(default=1, verbose_name="seen")),
                ("first_seen_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(verbose_name="last seen")),
                ("received_at", models.DateTimeField()),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("IGNORE", "Ignore"),
                            ("REPORT", "Report"),
                            ("BLOCK", "Block"),
                            ("REVOKE", "Revoke"),
                            ("SAVE", "Save"),
                        ],
                        max_length=8,
                    ),
                ),
                ("set_at", models.CharField(blank=True, max_length=300)),
                ("problem", models.TextField(blank=True)),
                ("raw", models.TextField()),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["-seen_at", "-id"], name="finding_newest_first"),
                    models.Index(fields=["finding_type", "-seen_at"], name="finding_by_type"),
                    models.Index(fields=["severity", "-seen_at"], name="finding_by_severity"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account_id", "region", "finding_id"), name="each_finding_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Mention",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("is_actor", models.BooleanField()),
                (
                    "entity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="findings.entity"
                    ),
                ),
                (
                    "finding",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="findings.finding"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("finding", "entity", "is_actor"), name="each_mention_once"
                    )
                ],
            },
        ),
    ]
