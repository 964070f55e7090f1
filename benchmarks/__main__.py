"""Runs the benchmarks: `make bench`."""

from __future__ import annotations

import os

import django

import tests.environment  # noqa: F401  (must precede Django's settings)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threatreaction.settings")
django.setup()

from benchmarks import portal  # noqa: E402  (its models need django.setup())

portal.main()
