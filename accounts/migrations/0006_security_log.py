from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_encrypt_second_factors"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SecurityEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("signed_in", "Signed in"),
                            ("sign_in_failed", "Sign-in failed"),
                            ("throttled", "Rate limited"),
                            ("second_factor_failed", "Second factor failed"),
                            ("signed_out", "Signed out"),
                            ("session_ended", "Session ended"),
                            ("password_changed", "Password changed"),
                            ("second_factor_added", "Second factor added"),
                            ("second_factor_removed", "Second factor removed"),
                            ("roles_changed", "Roles changed"),
                            ("client_created", "API client created"),
                            ("client_deleted", "API client deleted"),
                            ("client_refused", "API client refused"),
                            ("token_issued", "Token issued"),
                            ("token_revoked", "Token revoked"),
                            ("write_refused", "Write refused by the license"),
                        ],
                        max_length=24,
                        verbose_name="event",
                    ),
                ),
                (
                    "user_name",
                    models.CharField(
                        blank=True, db_index=True, max_length=150, verbose_name="person"
                    ),
                ),
                (
                    "client_id",
                    models.CharField(blank=True, max_length=100, verbose_name="API client"),
                ),
                (
                    "by_name",
                    models.CharField(blank=True, max_length=150, verbose_name="changed by"),
                ),
                ("address", models.CharField(blank=True, db_index=True, max_length=45)),
                (
                    "user_agent",
                    models.CharField(blank=True, max_length=200, verbose_name="browser or program"),
                ),
                ("method", models.CharField(blank=True, max_length=100)),
                ("detail", models.CharField(blank=True, max_length=200)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "base_manager_name": "objects",
            },
        ),
    ]
