"""Reads the vendor's published revocation list.

The list is a file, which an update of the deployment may replace with an older one. Therefore each
list with a higher `seq` is stored in the database, and the list with the highest `seq` is in force.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, transaction

from license.keyring import Keyring
from license.models import SeenRevocations
from license.token import RevocationList, RevocationsError
from license.verified import Verified

logger = logging.getLogger(__name__)


def published() -> str | None:
    """Return the text of public/revocations.jwt without white space; None without the file.

    Raises RevocationsError if the file cannot be read.
    """
    try:
        text = settings.LICENSE_REVOCATIONS_PATH.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = f"The revocation list cannot be read: {error.__class__.__name__}."
        raise RevocationsError(msg) from None
    return "".join(text.split())


def in_force(
    keyring: Keyring, *, remembered: str | None, at: datetime, verified: Verified
) -> RevocationList | None:
    """Return the newest revocation list, from the file or the database.

    `remembered` is the text of the newest stored list. A newer list in the file is stored with the
    time `at`.
    """
    stored = _stored(keyring, verified, newest=remembered) if remembered else None
    try:
        text = published()
        if text is None or text == remembered:  # verified above, and a list can be long
            return stored
        found = verified.revocations(text, keyring)
    except RevocationsError as error:  # also reported by a system check; see docs/decisions/0003
        logger.error("Ignoring public/revocations.jwt. %s", error)
        return stored
    if stored and stored.seq >= found.seq:
        return stored
    _remember(text, found, at=at)
    return found


def _stored(keyring: Keyring, verified: Verified, *, newest: str) -> RevocationList | None:
    """Return the newest trusted stored list.

    A stored list is not trusted if its signing key was removed or its row is damaged.
    """
    try:
        return verified.revocations(newest, keyring)
    except RevocationsError as error:
        logger.error("Ignoring a stored revocation list. %s", error)
    for text in SeenRevocations.objects.order_by("-seq").values_list("token", flat=True)[1:]:
        with suppress(RevocationsError):
            return verified.revocations(text, keyring)
    return None


def _remember(text: str, found: RevocationList, *, at: datetime) -> None:
    try:
        with transaction.atomic():  # a savepoint if the caller is in a transaction
            SeenRevocations.objects.get_or_create(
                seq=found.seq, defaults={"token": text, "seen_at": at}
            )
    except DatabaseError:  # such as a read-only database; the list in the file is still used
        logger.exception("The revocation list %d could not be stored.", found.seq)
