"""The reasons to reject a license key, with all their texts. This module does not use Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from storage.instants import iso

if TYPE_CHECKING:
    from license.claims import LicenseClaims

REASONS: dict[str, type[LicenseError]] = {}  # by code

_INSTALL_COMMAND = """\
manage.py license               # show the error
manage.py setlicense - < key.txt"""


class LicenseError(Exception):
    """A license key was rejected. Each subclass is one reason.

    The message is for people and `code` is for programs; neither contains the key. `claims` holds
    the claims of the key if its signature is trusted, else None. The class attributes are the only
    source of the texts about this reason.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    remedy: ClassVar[str]  # the next step, as a sentence
    cause: ClassVar[str]  # for the problem page; problems.catalog describes the markup
    fix: ClassVar[str]
    command: ClassVar[str] = _INSTALL_COMMAND
    state: ClassVar[str] = "Rejected"  # in the key history
    color: ClassVar[str] = "red"
    claims: LicenseClaims | None = None

    def __init_subclass__(cls) -> None:
        for name in LicenseError.__annotations__.keys() - {"claims"}:
            getattr(cls, name)  # fails at import if a reason does not define the attribute
        REASONS[cls.code] = cls


class LicenseMissing(LicenseError):
    """No license key is installed."""

    code = "license_missing"
    title = "License missing"
    remedy = "Request a license, then paste its key on the License page."
    cause = (
        "No license key has been installed in this portal. Reading works; all writes are refused."
    )
    fix = (
        "Request a trial or buy a license for the AWS account of this deployment, then paste its"
        " key on the [License page](/license). Writes are enabled immediately, without a restart."
    )

    def __init__(self) -> None:
        super().__init__("No license is installed.")


class LicenseMalformed(LicenseError):
    """The text is not a license key. `reason` is a clause that names the broken rule."""

    code = "license_malformed"
    title = "License malformed"
    remedy = "Paste the complete key again on the License page."
    cause = (
        "The text is not a license key: it is truncated, contains invalid characters, or breaks"
        " another rule of the format. The error message on the License page names the rule."
    )
    fix = (
        "Copy the complete key again from the vendor's email and paste it on the"
        " [License page](/license). Spaces and line breaks are ignored. You can also drop the key"
        " file onto the form."
    )
    command = "manage.py setlicense --dry-run --file key.txt\nmanage.py setlicense --file key.txt"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This is not a valid license key: {reason}.")
        self.reason = reason


class LicenseBadSignature(LicenseError):
    """No trusted public key verifies the signature. `reason` is a clause that says why."""

    code = "license_bad_signature"
    title = "License signature not trusted"
    remedy = "Install a key that the vendor signed, or restore the public key file."
    cause = (
        "No public key in `public/public-key.pem` verifies the signature of the installed key. The"
        " vendor did not sign the key, the key was altered, or the file is missing or damaged."
    )
    fix = (
        "Copy the complete key again from the vendor's email and paste it on the"
        " [License page](/license). If a key that worked before an upgrade is now rejected, compare"
        " the thumbprints on that page with the vendor's, and restore the file."
    )
    command = f"manage.py check --tag security  # is the public key readable?\n{_INSTALL_COMMAND}"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The license key's signature is not trusted: {reason}.")
        self.reason = reason


class LicenseWrongAccount(LicenseError):
    """The license is for another AWS account than that of this deployment."""

    code = "license_wrong_account"
    title = "License for another AWS account"
    remedy = "Install a license for this AWS account, or correct AWS_ACCOUNT_ID."
    cause = (
        "Each license is valid in one AWS account. The installed license is for another account"
        " than the one that `AWS_ACCOUNT_ID` sets for this deployment."
    )
    fix = (
        "Compare the two account IDs on the [License page](/license). If the ID of this deployment"
        " is correct, request a license for it. Otherwise correct the environment variable"
        " `AWS_ACCOUNT_ID` and restart the portal."
    )
    command = "aws sts get-caller-identity --query Account\nmanage.py setlicense - < key.txt"

    def __init__(self, claims: LicenseClaims, *, account_id: str) -> None:
        here = (
            f"AWS account {account_id}" if account_id else "an unknown account: set AWS_ACCOUNT_ID"
        )
        super().__init__(
            f"The license is for AWS account {claims.aws_account_id};"
            f" this deployment runs in {here}."
        )
        self.claims = claims


class LicenseRevoked(LicenseError):
    """The vendor has revoked the license."""

    code = "license_revoked"
    title = "License revoked"
    remedy = "Paste the replacement key on the License page, or request one from the vendor."
    cause = (
        "The vendor has revoked this license, in a replacement key or in the revocation list. A"
        " revoked license never becomes valid again."
    )
    fix = (
        "Paste the replacement key from the vendor on the [License page](/license), or request one"
        " from the vendor."
    )
    state = "Revoked"

    def __init__(self, claims: LicenseClaims) -> None:
        super().__init__(f"The vendor has revoked the license {claims.jti}.")
        self.claims = claims


class LicenseNotYetValid(LicenseError):
    """The license becomes valid in the future."""

    code = "license_not_yet_valid"
    title = "License not yet valid"
    remedy = "Wait until the license becomes valid, or install a license that is valid now."
    cause = "The installed license becomes valid in the future, and no other license is in force."
    fix = (
        "Wait: the license takes effect automatically. To write sooner, install a license that is"
        " valid now on the [License page](/license). If the license should be valid already, check"
        " the clock of the server."
    )
    command = f"date --utc                      # is the clock correct?\n{_INSTALL_COMMAND}"
    state, color = "Queued", "yellow"

    def __init__(self, claims: LicenseClaims) -> None:
        begins = max(claims.not_before, claims.issued_at)
        super().__init__(f"The license becomes valid at {iso(begins)}.")
        self.claims = claims


class LicenseExpired(LicenseError):
    """The license has expired."""

    code = "license_expired"
    title = "License expired"
    remedy = "Renew the license, then paste the new key on the License page."
    cause = (
        "The license has expired. Reading works and the saved threat policy stays in force; all"
        " writes are refused."
    )
    fix = (
        "Renew the license, then paste the new key on the [License page](/license). You can install"
        " a renewal early: it takes effect automatically."
    )
    state, color = "Expired", ""

    def __init__(self, claims: LicenseClaims) -> None:
        super().__init__(f"The license expired at {iso(claims.expires_at)}.")
        self.claims = claims
