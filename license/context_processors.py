"""The license status in every template."""

from __future__ import annotations

from license.middleware import LicensedRequest
from license.status import LicenseStatus


def license_status(request: LicensedRequest) -> dict[str, LicenseStatus]:
    """`license_status`, as LicenseMiddleware put it on the request."""
    return {"license_status": request.license_status}
