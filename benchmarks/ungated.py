"""The settings of the test servers without the license check, for comparison."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from threatreaction.settings import MIDDLEWARE as GATED

MIDDLEWARE = [
    "benchmarks.exempt.exempt" if name == "license.middleware.LicenseMiddleware" else name
    for name in GATED
]
