"""The portal's settings for the servers and commands that the tests start: two values differ.

Sign-ins are cheap, and static files are collected once in a test run, outside the checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

from threatreaction.settings import *  # noqa: F403  (every other setting is as deployed)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = Path(os.environ["TEST_STATIC_ROOT"])
