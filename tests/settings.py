"""The portal's settings for the servers and commands that tests start, with four changes.

Password hashes are fast, and static files are collected once for each test run, outside the
checkout. TEST_CONN_MAX_AGE=0 opens a database connection for each request. AWS refuses what the
template does not allow to the process.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests import roles
from threatreaction.settings import *  # noqa: F403  (all other settings are unchanged)
from threatreaction.settings import DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = Path(os.environ["TEST_STATIC_ROOT"])
if age := os.environ.get("TEST_CONN_MAX_AGE"):
    DATABASES["default"]["CONN_MAX_AGE"] = int(age)

roles.hold_this_process()
