"""The database's settings by host and secret: whole or refused, never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from storage.postgresql.configuration import from_parts

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!cluster-1a2b-3c4d"
WHOLE: dict[str, Any] = {
    "url_is_set": False,
    "host": "db.example.com",
    "port": 5432,
    "name": "threatreaction",
    "user": "",
    "secret_arn": ARN,
}
NONE = WHOLE | {"host": "", "name": "", "secret_arn": ""}


def test_without_any_part_the_url_decides() -> None:
    assert from_parts(**NONE) is None
    assert from_parts(**NONE | {"url_is_set": True}) is None


def test_all_parts_require_tls() -> None:
    found = from_parts(**WHOLE)
    assert found and found["ENGINE"] == "storage.postgresql"
    assert found["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (WHOLE | {"url_is_set": True}, "either DATABASE_URL or DATABASE_HOST, DATABASE_NAME,"),
        (NONE | {"host": "db"}, "With DATABASE_HOST, also set DATABASE_NAME, DATABASE_SECRET_ARN"),
        (WHOLE | {"host": ""}, "With DATABASE_NAME, DATABASE_SECRET_ARN, also set DATABASE_HOST"),
        (NONE | {"user": "portal"}, "With DATABASE_USER, also set DATABASE_HOST, DATABASE_NAME,"),
        (WHOLE | {"secret_arn": "rds!cluster"}, "DATABASE_SECRET_ARN must be like arn:aws:"),
        (WHOLE | {"secret_arn": ARN + "\n"}, "DATABASE_SECRET_ARN must be like arn:aws:"),
    ],
)
def test_anything_else_is_refused_by_the_names_of_the_variables(
    given: dict[str, Any], told: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=told):
        from_parts(**given)
