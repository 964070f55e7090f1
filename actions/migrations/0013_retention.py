from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from storage.triggers import AppendOnly, FixedColumns, Retained


class Migration(migrations.Migration):
    """The archive, and triggers that let go what retention has archived."""

    dependencies = [
        ("actions", "0012_count_by_state"),
        ("findings", "0021_retain_triage"),
    ]

    operations = [
        migrations.CreateModel(
            name="ArchiveCopy",
            fields=[
                (
                    "finding",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="archive_copy",
                        serialize=False,
                        to="findings.finding",
                    ),
                ),
                ("place", models.CharField(max_length=300)),
                ("path", models.CharField(max_length=300)),
                ("digest", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("until", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "archive copies",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ArchiveFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.CharField(max_length=300)),
                ("path", models.CharField(max_length=300)),
                ("findings", models.PositiveIntegerField()),
                ("begun_at", models.DateTimeField()),
                ("given_up_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at", None)),
                        fields=["begun_at"],
                        name="archive_file_unfinished",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("place", "path"), name="each_archive_file_once")
                ],
            },
        ),
        AppendOnly("actions_attempt", retained=Retained("at")),
        AppendOnly("actions_verdict", retained=Retained("at")),
        AppendOnly("actions_memory", retained=Retained("at")),
        FixedColumns(
            "actions_reaction",
            [
                "id",
                "finding_id",
                "kind",
                "target_kind",
                "target",
                "account_id",
                "why",
                "decided_at",
                "requested_by_id",
                "requested_by_name",
                "trace",
                "client_id",
                "request_key",
                "request_digest",
            ],
            retained=Retained("settled_at", {"state": ["pending", "waiting"]}, ["lifts_at"]),
        ),
    ]
