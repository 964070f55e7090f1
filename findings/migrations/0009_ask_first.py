from __future__ import annotations

from django.db import migrations, models

from storage.triggers import AppendOnly

CHOICES = [
    ("IGNORE", "Ignore"),
    ("REPORT", "Report"),
    ("BLOCK", "Block"),
    ("REVOKE", "Revoke"),
    ("SAVE", "Save"),
    ("ASK_BLOCK", "Ask to block"),
    ("ASK_REVOKE", "Ask to revoke"),
]


class Migration(migrations.Migration):
    """Two more actions of the policy, which wait for an approval."""

    dependencies = [
        ("findings", "0008_tactic"),
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
        # On SQLite, this copies the table, without its triggers.
        AppendOnly("findings_policychange"),
    ]
