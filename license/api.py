"""GET /license/status."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Protocol

from django.http import HttpResponse
from ninja import Field, Router, Schema

from license.middleware import LicensedRequest
from problems.schemas import Problem

router = Router(tags=["License"])


class Caller(Protocol):
    """Who calls the API, as accounts.api_auth has it."""

    def may(self, *, permission: str, scope: str) -> bool:
        """Whether a person has the permission, or a program the scope."""


class LicenseStatusDocument(Schema):
    """A caller without the permission or the scope gets `status` to `license_url` only."""

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
    response={200: LicenseStatusDocument, frozenset({401, 500}): Problem},
    exclude_unset=True,
    operation_id="getLicenseStatus",
    summary="Read the state of the license",
    openapi_extra={"security": [{}, {"session": []}, {"client": ["license:read"]}]},
    url_name="license-status",
)
def get_license_status(request: LicensedRequest, response: HttpResponse) -> dict[str, Any]:
    """For monitors. The answer is 200 in every state of the license, and never holds the key.

    Plan, account, dates and days left need the scope `license:read`, or a session of somebody who
    may see the license. Without either, the answer says whether writes are on, and why not.
    """
    response["Cache-Control"] = "no-store"
    caller: Caller = request.auth  # type: ignore[attr-defined]  # Ninja sets it
    may_see = caller.may(permission="license.view_license", scope="license:read")
    return request.license_status.as_json(with_details=may_see)
