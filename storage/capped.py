"""Counts that stop at MOST, so that they cost the same however many rows there are."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

MOST = 5_000


def count(rows: QuerySet[Any]) -> int:
    """Return the number of rows; MOST + 1 if there are more than MOST."""
    return rows.order_by().values("pk")[: MOST + 1].count()


def text(count: int) -> str:
    """Return such a count for people."""
    return f"{MOST:,}+" if count > MOST else str(count)
