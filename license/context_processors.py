from __future__ import annotations

from license.middleware import LicensedRequest
from license.status import LicenseStatus


def license_status(request: LicensedRequest) -> dict[str, LicenseStatus]:
    return {"license_status": request.license_status}
