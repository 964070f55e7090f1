from __future__ import annotations

from django.db import migrations, models

CHOICES = [
    ("IGNORE", "Ignore"),
    ("REPORT", "Report"),
    ("BLOCK", "Block"),
    ("REVOKE", "Revoke"),
    ("SAVE", "Save"),
    ("ASK_BLOCK", "Ask to block"),
    ("ASK_REVOKE", "Ask to revoke"),
    ("SIMULATE_BLOCK", "Simulate block"),
    ("SIMULATE_REVOKE", "Simulate revoke"),
    ("SIMULATE_SAVE", "Simulate save"),
]


class Migration(migrations.Migration):
    """Three more actions of the policy, which are decided and logged only."""

    dependencies = [
        ("findings", "0016_index_sums"),
    ]

    operations = [
        migrations.RemoveConstraint("threatpolicy", "known_action"),
        migrations.AlterField(
            "threatpolicy", "action", models.CharField(choices=CHOICES, max_length=16)
        ),
        migrations.AddConstraint(
            "threatpolicy",
            models.CheckConstraint(
                condition=models.Q(("action__in", [value for value, _ in CHOICES])),
                name="known_action",
            ),
        ),
        # Only the texts of the choices: no change in the database.
        migrations.AlterField(
            "policychange",
            "action_before",
            models.CharField(blank=True, choices=CHOICES, max_length=16),
        ),
        migrations.AlterField(
            "policychange",
            "action_after",
            models.CharField(blank=True, choices=CHOICES, max_length=16),
        ),
        migrations.AlterField(
            "finding", "action", models.CharField(choices=CHOICES, max_length=16)
        ),
    ]
