from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from storage.triggers import AppendOnly


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0009_ask_first"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TriageEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("by_name", models.CharField(max_length=200)),
                ("client_id", models.CharField(blank=True, max_length=200)),
                (
                    "source",
                    models.CharField(choices=[("page", "Page"), ("api", "API")], max_length=8),
                ),
                (
                    "status_before",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("in_progress", "In progress"),
                            ("true_positive", "True positive"),
                            ("false_positive", "False positive"),
                            ("benign", "Benign"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "status_after",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("in_progress", "In progress"),
                            ("true_positive", "True positive"),
                            ("false_positive", "False positive"),
                            ("benign", "Benign"),
                        ],
                        max_length=16,
                    ),
                ),
                ("assignee_before", models.CharField(blank=True, max_length=150)),
                ("assignee_after", models.CharField(blank=True, max_length=150)),
                ("note", models.TextField(blank=True)),
            ],
            options={
                "verbose_name_plural": "triage entries",
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.AlterModelOptions(
            name="finding",
            options={
                "default_permissions": ("view",),
                "permissions": [("triage_finding", "Can triage finding")],
            },
        ),
        migrations.RemoveConstraint(
            model_name="finding",
            name="each_finding_once",
        ),
        migrations.AddField(
            model_name="finding",
            name="assignee",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="closed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="finding",
            name="status",
            field=models.CharField(
                choices=[
                    ("new", "New"),
                    ("in_progress", "In progress"),
                    ("true_positive", "True positive"),
                    ("false_positive", "False positive"),
                    ("benign", "Benign"),
                ],
                db_default="new",
                default="new",
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(fields=["account_id", "-seen_at", "-id"], name="finding_by_account"),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(fields=["status", "-seen_at", "-id"], name="finding_by_status"),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(("closed_at", None)),
                fields=["-seen_at", "-id"],
                name="finding_open",
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", False)),
                fields=["-seen_at", "-id"],
                name="finding_closed",
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(("assignee__isnull", False)),
                fields=["assignee", "-seen_at", "-id"],
                name="finding_by_assignee",
            ),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.UniqueConstraint(
                fields=("finding_id", "account_id", "region"), name="each_finding_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("closed_at__isnull", False),
                        ("status__in", ("true_positive", "false_positive", "benign")),
                    ),
                    models.Q(("closed_at", None), ("status__in", ["new", "in_progress"])),
                    _connector="OR",
                ),
                name="closed_has_a_time",
            ),
        ),
        migrations.AddField(
            model_name="triageentry",
            name="by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="triageentry",
            name="finding",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="triage_entries",
                to="findings.finding",
            ),
        ),
        AppendOnly("findings_triageentry"),
    ]
