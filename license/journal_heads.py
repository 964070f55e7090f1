"""The heads of the journals, in the log: so that a restored or edited database is seen."""

from __future__ import annotations

import logging
from datetime import datetime

from license.notices import is_first
from storage import journal

logger = logging.getLogger(__name__)


def tell(at: datetime) -> None:
    """Log the heads, once a UTC day for any number of processes. Raises django.db.Error.

    `manage.py verifyjournal --expect` finds out whether a logged head is still in its journal.
    """
    heads = [journal.head(model) for model in journal.journals()]  # first, as it can fail
    if is_first("journal-heads", at):
        for table, lines, sha256 in heads:
            logger.info("Journal %s: %d lines, head %s.", table, lines, sha256)
