"""Reads the vendor's published revocation list.

The list is a file, and an update of the deployment may replace it by an older one. So each list
with a higher `seq` than those before is stored, and the one with the highest `seq` is in force.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, transaction

from license.keyring import Keyring
from license.models import SeenRevocations
from license.token import RevocationList, RevocationsError, read_revocations

logger = logging.getLogger(__name__)


def published(keyring: Keyring) -> tuple[str, RevocationList] | None:
    """The list in public/revocations.jwt, as text and parsed; None if there is no such file.

    Raises RevocationsError for a list that cannot be read or trusted.
    """
    try:
        text = settings.LICENSE_REVOCATIONS_PATH.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = f"The revocation list cannot be read: {error.__class__.__name__}."
        raise RevocationsError(msg) from None
    return text, read_revocations(text, keyring)


def revoked(keyring: Keyring, *, remembered: str | None, at: datetime) -> frozenset[str]:
    """The `jti`s that the newest list revokes: the one in the file, or `remembered`, the text of
    the newest stored list. A newer list in the file is stored, as seen at the instant `at`."""
    stored = _stored(keyring, newest=remembered) if remembered else None
    try:
        found = published(keyring)
    except RevocationsError as error:  # a system check's Error too; see docs/decisions/0003
        logger.error("public/revocations.jwt is ignored. %s", error)
        found = None
    if found and (stored is None or found[1].seq > stored.seq):
        _remember(*found, at=at)
        stored = found[1]
    return stored.revoked if stored else frozenset()


def _stored(keyring: Keyring, *, newest: str) -> RevocationList | None:
    """The newest stored list that can be trusted. A list cannot be if the key that signed it was
    withdrawn or the row was damaged; then an older one counts."""
    try:
        return read_revocations(newest, keyring)
    except RevocationsError as error:
        logger.error("A stored revocation list is ignored. %s", error)
    for text in SeenRevocations.objects.order_by("-seq").values_list("token", flat=True)[1:]:
        with suppress(RevocationsError):
            return read_revocations(text, keyring)
    return None


def _remember(text: str, found: RevocationList, *, at: datetime) -> None:
    try:
        with transaction.atomic():  # a savepoint, should the caller be in a transaction
            SeenRevocations.objects.get_or_create(
                seq=found.seq, defaults={"token": "".join(text.split()), "seen_at": at}
            )
    except DatabaseError:  # read-only just now; the list in the file counts anyway
        logger.exception("The revocation list %d could not be stored.", found.seq)
