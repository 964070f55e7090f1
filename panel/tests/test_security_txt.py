"""The panel's security.txt. The portal's tests cover the shared code."""

from __future__ import annotations

from django.test import Client


def test_a_stranger_learns_where_to_report_without_the_database() -> None:
    response = Client().get("/.well-known/security.txt")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=86400"
    text = response.content.decode()
    assert "Contact: mailto:security@threatreaction.com\n" in text
    assert "Canonical: http://testserver/.well-known/security.txt\n" in text
