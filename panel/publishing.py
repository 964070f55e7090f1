"""Publishes the public keys and the revocation list. No authentication; responses have ETags."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_safe
from jwt.algorithms import RSAAlgorithm

from license.keyring import thumbprint
from license.token import ALGORITHM, issue_revocations
from panel.models import Revocation
from panel.signing import as_pem, published_keys, signing_key

logger = logging.getLogger(__name__)

MAX_AGE = 5 * 60  # seconds
KEPT = timedelta(days=30)  # time that an expired license stays on the list
MAX_LISTED = 20_000  # licenses; portals read at most 1 MiB
NONE_YET = datetime(2026, 1, 1, tzinfo=UTC)  # `iat` of the empty list


@login_not_required
@require_safe
@conditional_page
@cache_control(public=True, max_age=MAX_AGE)
def public_key_pem(request: HttpRequest) -> HttpResponse:
    """The public keys that portals trust, as a PEM bundle."""
    return HttpResponse(as_pem(published_keys()), content_type="application/x-pem-file")


@login_not_required
@require_safe
@conditional_page
@cache_control(public=True, max_age=MAX_AGE)
def jwks(request: HttpRequest) -> JsonResponse:
    """The public keys that portals trust, as a JWK Set (RFC 7517)."""
    members = [
        {
            **json.loads(RSAAlgorithm.to_jwk(key)),
            "kid": kid,
            "alg": ALGORITHM,
            "use": "sig",
            "key_ops": ["verify"],
        }
        for kid, key in published_keys().items()
    ]
    return JsonResponse({"keys": members})


@login_not_required
@require_safe
@conditional_page
@cache_control(public=True, max_age=MAX_AGE)
def revocations(request: HttpRequest) -> HttpResponse:
    """The signed revocation list, as a JWT."""
    return HttpResponse(revocation_list(), content_type="application/jwt")


def revocation_list() -> str:
    """Returns a signed JWT with the revoked licenses that have not expired. Raises SigningError.

    `seq` is the number of revocations plus 1, which only rises because rows are never deleted. It
    does not change when an expired license leaves the list: portals reject it anyway. KEPT
    tolerates portals whose clock is slow.
    """
    seq = Revocation.objects.count() + 1
    key = signing_key()
    # Cache the signed list: each signature by AWS KMS takes time and money.
    name = f"revocations:{thumbprint(key.public_key())}:{seq}"
    text = cache.get(name)
    if text is None:
        listed = Revocation.objects.filter(license__expires_at__gt=timezone.now() - KEPT)
        # If the list is too long, omit the oldest Trials first. Anybody can create and replace
        # Trials, and must not be able to push Paid licenses off the list.
        paid_first = listed.order_by("license__plan", "-pk")
        rows = list(paid_first.values_list("license__jti", "revoked_at")[: MAX_LISTED + 1])
        if len(rows) > MAX_LISTED / 2:
            logger.error(
                "The revocation list has %d of at most %d licenses. Portals read at most 1 MiB:"
                " see docs/licensing.md.", len(rows), MAX_LISTED
            )  # fmt: skip
        text = issue_revocations(
            signing_key=key,
            seq=seq,
            issued_at=max((at for _, at in rows), default=NONE_YET),
            revoked=(jti for jti, _ in rows[:MAX_LISTED]),
        )
        cache.set(name, text, timeout=24 * 60 * 60)  # seconds
    return str(text)
