from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("findings", "0013_fill_titles_and_mend_dates")]

    operations = [
        migrations.CreateModel(
            name="AccountSum",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.CharField(max_length=64, unique=True)),
                ("findings", models.IntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="EntitySum",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("finding_type", models.CharField(max_length=200)),
                ("findings", models.IntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="PeriodSum",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("is_day", models.BooleanField()),
                ("begin", models.DateTimeField()),
                ("finding_type", models.CharField(max_length=200)),
                ("severity", models.CharField(blank=True, max_length=8)),
                ("action", models.CharField(max_length=16)),
                ("findings", models.IntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="entity",
            name="acted",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="entity",
            name="findings",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="entity",
            name="types",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="mention",
            name="seen_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="entitysum",
            name="entity",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="sums",
                to="findings.entity",
            ),
        ),
        migrations.AddConstraint(
            model_name="periodsum",
            constraint=models.UniqueConstraint(
                fields=("is_day", "begin", "finding_type", "severity", "action"),
                name="each_period_sum_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="entitysum",
            constraint=models.UniqueConstraint(
                fields=("entity", "day", "finding_type"), name="each_entity_sum_once"
            ),
        ),
    ]
