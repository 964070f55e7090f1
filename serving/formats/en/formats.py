"""Dates in Django's admin, as storage.instants writes them everywhere else."""

from __future__ import annotations

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s e"
