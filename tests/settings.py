"""The portal's settings for the servers and commands that tests start, with two changes.

Password hashes are fast, and static files are collected once for each test run, outside the
checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

from threatreaction.settings import *  # noqa: F403  (all other settings are unchanged)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = Path(os.environ["TEST_STATIC_ROOT"])
