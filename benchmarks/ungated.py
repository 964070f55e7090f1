"""The portal's settings without the license check: the other side of a ratio, and nothing else."""

from __future__ import annotations

from threatreaction.settings import *  # noqa: F403
from threatreaction.settings import MIDDLEWARE as GATED

MIDDLEWARE = [name for name in GATED if name != "license.middleware.LicenseMiddleware"]
