from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpResponse
from ninja import Field, Router, Schema

from license.middleware import LicensedRequest

router = Router(tags=["License"])


class LicenseStatusDocument(Schema):
    """A caller without a signed-in session gets `status` to `license_url`, and nothing more."""

    status: Literal["valid", "expiring_soon", "expired", "missing", "rejected"]
    allows_writes: bool
    code: str | None = Field(description="Why writes are off; null while they are on.")
    license_url: str
    reason: str | None = None
    account_id: str | None = Field(None, description="The AWS account of this deployment.")
    plan: Literal["trial", "paid"] | None = None
    customer: str | None = None
    license_id: str | None = Field(None, description="The license's jti.")
    key_id: str | None = Field(None, description="The thumbprint of the key that signed it.")
    issued_at: datetime | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = Field(
        None, description="The first instant at which the license is expired."
    )
    days_left: int | None = Field(None, description="Whole days until expires_at, rounded down.")
    renewal_queued_from: datetime | None = Field(
        None, description="When a renewal that is installed already takes over by itself."
    )


@router.get(
    "/license/status",
    response=LicenseStatusDocument,
    exclude_unset=True,
    operation_id="getLicenseStatus",
    summary="Read the state of the license",
    url_name="license-status",
)
def get_license_status(request: LicensedRequest, response: HttpResponse) -> dict[str, Any]:
    """For monitors; never the key. It answers 200 in every state of the license."""
    response["Cache-Control"] = "no-store"
    may_see = request.user.is_authenticated and request.user.has_perm("license.view_license")
    return request.license_status.as_json(with_details=may_see)
