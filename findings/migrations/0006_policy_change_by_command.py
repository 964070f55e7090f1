from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0005_one_service_iam"),
    ]

    operations = [
        migrations.AlterField(
            model_name="policychange",
            name="source",
            field=models.CharField(
                choices=[
                    ("page", "Threats page"),
                    ("api", "API"),
                    ("admin", "Django admin"),
                    ("command", "Command"),
                ],
                max_length=8,
            ),
        ),
    ]
