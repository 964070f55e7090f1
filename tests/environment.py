"""The environment of a test run, where the caller has set none. Loaded before Django's settings."""

from __future__ import annotations

import os

os.environ.setdefault("SECRET_KEY", "of no use outside a test run, and long enough for the check")
os.environ.setdefault("PORTAL_URL", "http://testserver")
os.environ.setdefault("AWS_ACCOUNT_ID", "123456789012")
# Playwright keeps an event loop in this thread, and Django would refuse every query beside it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
