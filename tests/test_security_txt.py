"""Tests of /.well-known/security.txt (RFC 9116), which requires no database and no license."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django.fixtures import Settings

from serving import security_txt

URL = "/.well-known/security.txt"


def fields() -> list[tuple[str, str]]:
    lines = Client().get(URL).content.decode().splitlines()
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


def test_a_stranger_learns_where_to_report() -> None:
    response = Client().get(URL)
    assert (response.status_code, response.headers["Content-Type"]) == (
        200,
        "text/plain; charset=utf-8",
    )
    assert [field for field in fields() if field[0] != "Expires"] == [
        ("Contact", "mailto:security@threatreaction.com"),
        ("Canonical", f"http://testserver{URL}"),
        ("Policy", "https://threatreaction.com/security"),
        ("Preferred-Languages", "en"),
    ]


@pytest.mark.parametrize(
    "now", ["2026-11-25T00:00:00Z", "2027-12-31T23:59:59Z", "2028-02-29T12:00Z"]
)
def test_it_expires_in_the_future_and_within_a_year(now: str) -> None:
    with time_machine.travel(now, tick=False):
        expires = datetime.fromisoformat(dict(fields())["Expires"])
        assert timedelta(days=80) < expires - datetime.now(UTC) < timedelta(days=365)


def test_a_cache_may_keep_it_and_ask_again() -> None:
    response = Client().get(URL)
    assert response.headers["Cache-Control"] == "public, max-age=86400"
    assert not response.cookies
    again = Client().get(URL, headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_it_names_each_contact_that_is_set(settings: Settings) -> None:
    settings.SECURITY_CONTACT = security_txt.contacts(
        [
            "soc@example.com",
            "https://example.com/report",
            "mailto:ciso@example.com",
            "tel:+1-201-555-0123",
        ]
    )
    assert [value for name, value in fields() if name == "Contact"] == [
        "mailto:soc@example.com",
        "https://example.com/report",
        "mailto:ciso@example.com",
        "tel:+1-201-555-0123",
    ]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["nobody"],
        ["http://example.com/report"],
        ["a@example.com\nPolicy: x"],
        ["a b@example.com"],
    ],
)
def test_a_contact_that_nobody_can_use_is_refused(values: list[str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECURITY_CONTACT must be"):
        security_txt.contacts(values)


@pytest.mark.parametrize("value", ["", "http://example.com", "https://", "https://example.com/ x"])
def test_a_policy_that_is_no_https_link_is_refused(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECURITY_POLICY_URL must begin with https://"):
        security_txt.policy(value)
