"""What portals trust: the public keys and the revocation list, for anybody, with ETags."""

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
KEPT = timedelta(days=30)  # after a license has expired
MAX_LISTED = 20_000  # licenses: what fits into the 1 MiB that a portal reads
NONE_YET = datetime(2026, 1, 1, tzinfo=UTC)  # when the list was issued that revokes nothing


@login_not_required
@require_safe
@conditional_page
@cache_control(public=True, max_age=MAX_AGE)
def public_key_pem(request: HttpRequest) -> HttpResponse:
    return HttpResponse(as_pem(published_keys()), content_type="application/x-pem-file")


@login_not_required
@require_safe
@conditional_page
@cache_control(public=True, max_age=MAX_AGE)
def jwks(request: HttpRequest) -> JsonResponse:
    """The same keys as a JWK Set (RFC 7517)."""
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
    return HttpResponse(revocation_list(), content_type="application/jwt")


def revocation_list() -> str:
    """The revoked licenses that have not expired, signed. Raises SigningError.

    Rows are only ever added, so their number rises with every revocation: it makes the `seq`. That
    an expired license leaves the list needs no new one, because a portal refuses it all the same;
    KEPT is for a portal whose clock is behind.
    """
    seq = Revocation.objects.count() + 1
    listed = Revocation.objects.filter(license__expires_at__gt=timezone.now() - KEPT)
    # Should there ever be too many, an old Trial is missing first: anybody can have Trials replaced
    # in any number, and must not push out what was revoked of a Paid license.
    paid_first = listed.order_by("license__plan", "-pk")
    rows = list(paid_first.values_list("license__jti", "revoked_at")[: MAX_LISTED + 1])
    key = signing_key()
    # Signed once for what it says, not for each reader: AWS KMS takes time and money.
    name = f"revocations:{thumbprint(key.public_key())}:{seq}"
    text = cache.get(name)
    if text is None:
        if len(rows) > MAX_LISTED / 2:
            logger.error(
                "The revocation list holds %d of at most %d licenses. Portals read no more than"
                " 1 MiB: see docs/licensing.md.", len(rows), MAX_LISTED
            )  # fmt: skip
        text = issue_revocations(
            signing_key=key,
            seq=seq,
            issued_at=max((at for _, at in rows), default=NONE_YET),
            revoked=(jti for jti, _ in rows[:MAX_LISTED]),
        )
        cache.set(name, text, timeout=24 * 60 * 60)  # seconds
    return str(text)
