"""Rules, destinations, the outbox and the messages of notifications."""

import datetime

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
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=64)),
                ("window", models.DateTimeField()),
                ("title", models.TextField()),
                ("text", models.TextField()),
                ("url", models.TextField(blank=True)),
                ("severity", models.CharField(blank=True, max_length=8)),
                ("data", models.JSONField(default=dict)),
                ("resolves", models.BooleanField(default=False)),
                ("is_test", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                            ("held", "Held back"),
                            ("summed up", "Summed up"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="DeliveryAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("delivered", models.BooleanField()),
                ("answer", models.TextField()),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="notifications.delivery",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Destination",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("kind", models.CharField(max_length=16)),
                ("settings", models.JSONField(default=dict)),
                (
                    "per_hour",
                    models.PositiveIntegerField(default=60, verbose_name="messages an hour"),
                ),
                ("follows_setting", models.BooleanField(db_default=False, default=False)),
                ("removed_at", models.DateTimeField(null=True)),
                ("last_success_at", models.DateTimeField(null=True)),
                ("last_error_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("paused_until", models.DateTimeField(null=True)),
            ],
            options={
                "default_permissions": ("change",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at", None)),
                        fields=("name",),
                        name="destination_names_differ",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="destination",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deliveries",
                to="notifications.destination",
            ),
        ),
        migrations.CreateModel(
            name="NotificationChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "previous_sha256",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, max_length=64
                    ),
                ),
                (
                    "sha256",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, max_length=64
                    ),
                ),
                ("changed_at", models.DateTimeField(db_index=True)),
                ("changed_by_name", models.CharField(max_length=200)),
                ("client_id", models.CharField(blank=True, max_length=200)),
                (
                    "what",
                    models.CharField(
                        choices=[("rule", "Rule"), ("destination", "Destination")], max_length=16
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
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
                "verbose_name": "notification change",
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Rule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("enabled", models.BooleanField(default=True)),
                (
                    "trigger",
                    models.CharField(
                        choices=[
                            ("finding", "Finding"),
                            ("done", "Action done"),
                            ("failed", "Action failed"),
                            ("waiting", "Action waits for approval"),
                            ("prevented", "Action prevented"),
                            ("lifted", "Block lifted"),
                            ("breaker", "Circuit breaker tripped"),
                            ("license", "License ends"),
                            ("silent", "Worker silent"),
                        ],
                        max_length=16,
                    ),
                ),
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
                        verbose_name="severity at least",
                    ),
                ),
                ("types", models.JSONField(blank=True, default=list, verbose_name="finding types")),
                (
                    "accounts",
                    models.JSONField(blank=True, default=list, verbose_name="AWS accounts"),
                ),
                ("entities", models.JSONField(blank=True, default=list)),
                ("tags", models.JSONField(blank=True, default=list)),
                (
                    "when",
                    models.CharField(
                        choices=[
                            ("now", "At once"),
                            ("hourly", "Hourly digest"),
                            ("daily", "Daily digest"),
                        ],
                        default="now",
                        max_length=8,
                    ),
                ),
                ("daily_at", models.TimeField(default=datetime.time(8, 0))),
                ("quiet_from", models.TimeField(blank=True, null=True)),
                ("quiet_to", models.TimeField(blank=True, null=True)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                (
                    "detail",
                    models.CharField(
                        choices=[
                            ("brief", "Brief: type, severity, account, count and link"),
                            ("full", "Full: also title, description, entities and actions"),
                        ],
                        default="full",
                        max_length=8,
                    ),
                ),
                (
                    "each",
                    models.BooleanField(
                        default=False, verbose_name="one message for each new finding"
                    ),
                ),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "destinations",
                    models.ManyToManyField(related_name="rules", to="notifications.destination"),
                ),
            ],
            options={
                "default_permissions": ("view", "change"),
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event", models.CharField(max_length=150)),
                ("key", models.CharField(max_length=64)),
                (
                    "trigger",
                    models.CharField(
                        choices=[
                            ("finding", "Finding"),
                            ("done", "Action done"),
                            ("failed", "Action failed"),
                            ("waiting", "Action waits for approval"),
                            ("prevented", "Action prevented"),
                            ("lifted", "Block lifted"),
                            ("breaker", "Circuit breaker tripped"),
                            ("license", "License ends"),
                            ("silent", "Worker silent"),
                        ],
                        max_length=16,
                    ),
                ),
                ("severity", models.CharField(blank=True, max_length=8)),
                ("what", models.CharField(max_length=200)),
                ("account_id", models.CharField(blank=True, max_length=64)),
                ("finding_pk", models.BigIntegerField(null=True)),
                ("reaction_pk", models.BigIntegerField(null=True)),
                ("about", models.JSONField(default=dict)),
                ("at", models.DateTimeField()),
                ("ready_at", models.DateTimeField()),
                ("taken_at", models.DateTimeField(null=True)),
                ("told_as", models.CharField(blank=True, default="", max_length=64)),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="notifications.rule",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=64)),
                ("until", models.DateTimeField(db_index=True)),
                ("held", models.PositiveIntegerField(default=0)),
                ("told_as", models.CharField(max_length=64)),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="notifications.rule",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="rule",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deliveries",
                to="notifications.rule",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("removed_at", None)), fields=("name",), name="rule_names_differ"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("taken_at", None)),
                fields=["ready_at", "id"],
                name="notice_to_take",
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["finding_pk"], name="notice_by_finding"),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["taken_at"], name="notice_by_time"),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.UniqueConstraint(
                fields=("rule", "event"), name="a_rule_takes_an_event_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.UniqueConstraint(
                fields=("rule", "key"), name="one_hold_for_each_key"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "pending")),
                fields=["destination", "due_at"],
                name="delivery_pending",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "held")),
                fields=["destination", "id"],
                name="delivery_held",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["destination", "-created_at"], name="delivery_newest"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["key"], name="delivery_by_key"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["created_at"], name="delivery_by_time"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("rule", "destination", "key", "window", "resolves"),
                name="each_message_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("due_at__isnull", False), ("state", "pending")),
                    models.Q(("state", "pending"), _negated=True),
                    _connector="OR",
                ),
                name="a_pending_message_is_due",
            ),
        ),
    ]
