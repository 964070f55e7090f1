#!/usr/bin/env python
"""Django's command line for this project."""

from __future__ import annotations

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threatreaction.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(f"{error}. docs/operations.md lists the environment.", file=sys.stderr)  # noqa: T201
        sys.exit(2)  # as with argparse; and `manage.py license` means by 1 that writes are allowed
    except OperationalError as error:
        print(f"The database failed: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
