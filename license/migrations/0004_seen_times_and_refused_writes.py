from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("license", "0003_journal"),
    ]

    operations = [
        migrations.CreateModel(
            name="SeenTime",
            fields=[
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("sqs", "SentTimestamp of a message in SQS"),
                            ("aws", "Date of an answer of AWS"),
                            ("running", "time that passed since then while a process ran"),
                            ("write", "last write"),
                        ],
                        max_length=7,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("seconds", models.BigIntegerField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="RefusedWrites",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("code", models.CharField(max_length=40)),
                ("view_name", models.CharField(max_length=200)),
                ("count", models.BigIntegerField()),
            ],
            options={
                "verbose_name_plural": "refused writes",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "code", "view_name"), name="one_sum_of_refused_writes"
                    )
                ],
            },
        ),
    ]
