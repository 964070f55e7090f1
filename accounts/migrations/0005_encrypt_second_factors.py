from __future__ import annotations

from typing import Any

from django.db import migrations

from storage.encryption import reencrypt


def encrypt(apps: Any, schema_editor: Any) -> None:
    reencrypt(apps.get_model("mfa", "Authenticator").objects.exclude(type="webauthn"))


def decrypt(apps: Any, schema_editor: Any) -> None:
    authenticators = apps.get_model("mfa", "Authenticator").objects.exclude(type="webauthn")
    reencrypt(authenticators, in_the_clear=True)


class Migration(migrations.Migration):
    """Encrypts TOTP secrets and the seeds of recovery codes, which were stored in plain text."""

    dependencies = [("accounts", "0001_cache_table"), ("mfa", "0003_authenticator_type_uniq")]

    operations = [migrations.RunPython(encrypt, decrypt)]
