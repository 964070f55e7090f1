"""The settings of a database whose password is in AWS Secrets Manager."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured

_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@!-]+", re.A)


def from_parts(
    *, url_is_set: bool, host: str, port: int, name: str, user: str, secret_arn: str
) -> dict[str, Any] | None:
    """Returns the settings of the database, in the form of `env.db_url`. None if no part is set.

    Raises ImproperlyConfigured with the names of the environment variables if DATABASE_URL is also
    set, a part is missing, or the ARN is invalid.
    """
    required = {
        "DATABASE_HOST": host,
        "DATABASE_NAME": name,
        "DATABASE_SECRET_ARN": secret_arn,
    }
    given = [variable for variable, value in required.items() if value]
    if user:
        given.append("DATABASE_USER")
    if not given:
        return None
    if url_is_set:
        msg = f"Set either DATABASE_URL or {', '.join(given)}, not both"
        raise ImproperlyConfigured(msg)
    if missing := [variable for variable in required if variable not in given]:
        msg = f"With {', '.join(given)}, also set {', '.join(missing)}"
        raise ImproperlyConfigured(msg)
    if not _ARN.fullmatch(secret_arn):
        msg = (
            "DATABASE_SECRET_ARN must be like arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME;"
            f" it is {secret_arn!r}"
        )
        raise ImproperlyConfigured(msg)
    return {
        "ENGINE": "storage.postgresql",
        "HOST": host,
        "PORT": port,
        "NAME": name,
        "USER": user,
        "SECRET_ARN": secret_arn,
        "OPTIONS": {"sslmode": "require"},
    }
