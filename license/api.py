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
    """The authenticated or anonymous caller of the API. accounts.api_auth implements it."""

    def may(self, *, permission: str, scope: str) -> bool:
        """Return whether the user has the permission, or the API client the scope."""


class LicenseStatusDocument(Schema):
    """Callers without the permission or the scope get only `status` to `license_url`."""

    status: Literal["valid", "expiring_soon", "expired", "missing", "rejected"]
    allows_writes: bool
    code: str | None = Field(description="Why writes are disabled; null if they are enabled.")
    license_url: str
    reason: str | None = None
    account_id: str | None = Field(None, description="The AWS account of this deployment.")
    plan: Literal["trial", "paid"] | None = None
    customer: str | None = None
    license_id: str | None = Field(None, description="The license's jti.")
    key_id: str | None = Field(
        None, description="The thumbprint of the public key that verifies it."
    )
    issued_at: datetime | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = Field(
        None, description="The first instant at which the license has expired."
    )
    days_left: int | None = Field(None, description="Whole days until expires_at, rounded down.")
    renewal_queued_from: datetime | None = Field(
        None, description="When an installed renewal takes effect."
    )
    judged_at: datetime | None = Field(
        None,
        description="The latest time that was seen, if the clock of the server is more than 48"
        " hours behind it. The license is then judged at that time.",
    )
    clock_note: str | None = Field(None, description="The same as a sentence.")


@router.get(
    "/license/status",
    response={200: LicenseStatusDocument, frozenset({401, 500}): Problem},
    exclude_unset=True,
    operation_id="getLicenseStatus",
    summary="Get the license status",
    openapi_extra={"security": [{}, {"session": []}, {"client": ["license:read"]}]},
    url_name="license-status",
)
def get_license_status(request: LicensedRequest, response: HttpResponse) -> dict[str, Any]:
    """For monitoring. Returns 200 for every license status, and never returns the license key.

    Plan, account, dates and days left require the scope `license:read`, or the session of a user
    with the permission to view the license. Other callers get only the status and its code.
    """
    response["Cache-Control"] = "no-store"
    caller: Caller = request.auth  # type: ignore[attr-defined]  # Ninja sets it
    may_see = caller.may(permission="license.view_license", scope="license:read")
    return request.license_status.as_json(with_details=may_see)
