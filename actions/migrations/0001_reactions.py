from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("findings", "0003_account_names"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Reaction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("BLOCK", "Block"),
                            ("UNBLOCK", "Unblock"),
                            ("REVOKE", "Revoke"),
                            ("SAVE", "Save"),
                            ("NOTIFY", "Notify"),
                        ],
                        max_length=8,
                        verbose_name="action",
                    ),
                ),
                ("target_kind", models.CharField(max_length=16)),
                ("target", models.CharField(max_length=512)),
                ("why", models.TextField()),
                ("outcome", models.TextField(blank=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("dry run", "Dry run"),
                            ("prevented", "Prevented"),
                        ],
                        max_length=16,
                    ),
                ),
                ("decided_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("requested_by_name", models.CharField(blank=True, max_length=200)),
                (
                    "finding",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reactions",
                        to="findings.finding",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "action",
                "default_permissions": ("view", "add"),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("succeeded", models.BooleanField()),
                ("answer", models.TextField()),
                (
                    "reaction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="actions.reaction",
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Trip",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tripped_at", models.DateTimeField()),
                ("limit", models.PositiveIntegerField()),
                ("reset_at", models.DateTimeField(null=True)),
                (
                    "reset_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Allowance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("name", models.CharField(max_length=512)),
                ("finding_type", models.CharField(max_length=100)),
                ("added_at", models.DateTimeField()),
                ("taken_back_at", models.DateTimeField(null=True)),
                (
                    "added_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "taken_back_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("taken_back_at", None)),
                        fields=("kind", "name", "finding_type"),
                        name="allowed_once",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="reaction",
            index=models.Index(
                condition=models.Q(("state", "pending")), fields=["due_at"], name="pending"
            ),
        ),
        migrations.AddIndex(
            model_name="reaction",
            index=models.Index(fields=["target", "kind", "-id"], name="reaction_by_target"),
        ),
        migrations.AddIndex(
            model_name="reaction",
            index=models.Index(fields=["kind", "-id"], name="reaction_by_kind"),
        ),
        migrations.AddIndex(
            model_name="reaction",
            index=models.Index(fields=["decided_at"], name="reaction_by_decision"),
        ),
        migrations.AddIndex(
            model_name="reaction",
            index=models.Index(fields=["started_at"], name="reaction_by_start"),
        ),
        migrations.AddConstraint(
            model_name="reaction",
            constraint=models.UniqueConstraint(
                condition=models.Q(("requested_by_name", "")),
                fields=("finding", "kind", "target_kind", "target"),
                name="a_finding_is_acted_on_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="reaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("due_at__isnull", False), ("settled_at", None), ("state", "pending")),
                    models.Q(
                        models.Q(("state", "pending"), _negated=True),
                        ("due_at", None),
                        ("settled_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="pending_is_due_and_settled_is_not",
            ),
        ),
        migrations.AddConstraint(
            model_name="trip",
            constraint=models.UniqueConstraint(
                models.Value(1), condition=models.Q(("reset_at", None)), name="one_trip_at_a_time"
            ),
        ),
    ]
