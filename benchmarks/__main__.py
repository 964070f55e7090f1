"""Runs the benchmarks: `make bench`."""

from __future__ import annotations

import os
import tempfile

import django

import tests.environment  # noqa: F401  (must precede Django's settings)

# benchmarks.ungated imports the settings of the tests.
os.environ.setdefault("TEST_STATIC_ROOT", tempfile.mkdtemp())
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threatreaction.settings")
django.setup()

from benchmarks import portal  # noqa: E402  (its models need django.setup())

portal.main()
