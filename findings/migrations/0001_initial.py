from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PolicyChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("changed_at", models.DateTimeField(db_index=True)),
                ("changed_by_name", models.CharField(max_length=200)),
                ("client_id", models.CharField(blank=True, max_length=200)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("page", "Threats page"),
                            ("api", "API"),
                            ("admin", "Django admin"),
                        ],
                        max_length=8,
                    ),
                ),
                ("service", models.CharField(blank=True, max_length=100)),
                ("finding_type", models.CharField(blank=True, max_length=100)),
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
                (
                    "action_before",
                    models.CharField(
                        blank=True,
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
                (
                    "action_after",
                    models.CharField(
                        blank=True,
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
                (
                    "changed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "policy change",
                "base_manager_name": "objects",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ThreatPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("service", models.CharField(blank=True, max_length=100)),
                ("finding_type", models.CharField(blank=True, max_length=100)),
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
            ],
            options={
                "verbose_name": "threat policy",
                "verbose_name_plural": "threat policies",
                "default_permissions": ("view", "change"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("service", "finding_type", "severity"),
                        name="one_setting_per_target",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("service", ""), ("finding_type", ""), _connector="XOR"),
                        name="either_service_or_finding_type",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("severity__in", ["", "LOW", "MEDIUM", "HIGH", "CRITICAL"])
                        ),
                        name="known_severity",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("action__in", ["IGNORE", "REPORT", "BLOCK", "REVOKE", "SAVE"])
                        ),
                        name="known_action",
                    ),
                ],
            },
        ),
    ]
