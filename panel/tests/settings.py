"""The panel's settings for the servers and commands that the tests start: one value differs.

Static files are collected once in a test run, outside the checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

from panel.settings import *  # noqa: F403  (every other setting is as deployed)

STATIC_ROOT = Path(os.environ["TEST_STATIC_ROOT"])
