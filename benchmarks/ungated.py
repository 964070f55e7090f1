"""The settings of the tests' servers without the license check: the other side of a ratio."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from threatreaction.settings import MIDDLEWARE as GATED

MIDDLEWARE = [name for name in GATED if name != "license.middleware.LicenseMiddleware"]
