#!/usr/bin/env python
"""Django's command line for this project."""

from __future__ import annotations

import os
import signal
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threatreaction.settings")
    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        sys.exit(128 + signal.SIGPIPE)
    except ImproperlyConfigured as error:
        message = str(error).rstrip(".")
        see = "See docs/operations.md, or docs/licensing.md for the panel"
        print(f"{message}. {see}.", file=sys.stderr)  # noqa: T201
        sys.exit(3)  # 1 and 2 have other meanings in `manage.py license`
    except (OperationalError, ProgrammingError) as error:  # PostgreSQL's "no such table"
        first_line = str(error).partition("\n")[0]
        print(f"Database error: {first_line}", file=sys.stderr)  # noqa: T201
        sys.exit(3)
