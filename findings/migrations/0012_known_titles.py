from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0011_beginning_of_names"),
    ]

    operations = [
        migrations.CreateModel(
            name="KnownTitle",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("finding_type", models.CharField(max_length=200)),
                ("words", models.CharField(blank=True, max_length=300)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddConstraint(
            model_name="knowntitle",
            constraint=models.UniqueConstraint(
                fields=["finding_type", "words"], name="each_title_once"
            ),
        ),
    ]
