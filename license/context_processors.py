"""Adds the license status to every template context."""

from __future__ import annotations

from license.middleware import LicensedRequest
from license.status import LicenseStatus


def license_status(request: LicensedRequest) -> dict[str, LicenseStatus]:
    """Return `license_status`, which LicenseMiddleware has set on the request."""
    return {"license_status": request.license_status}
