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
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        sys.exit(128 + signal.SIGPIPE)
    except ImproperlyConfigured as error:
        told = str(error).rstrip(".")
        lists = "docs/operations.md lists the environment; docs/licensing.md, the panel's"
        print(f"{told}. {lists}.", file=sys.stderr)  # noqa: T201
        sys.exit(3)  # never 1 or 2: `manage.py license` means something else by them
    except (OperationalError, ProgrammingError) as error:  # PostgreSQL's "no such table"
        first_line = str(error).partition("\n")[0]
        print(f"The database failed: {first_line}", file=sys.stderr)  # noqa: T201
        sys.exit(3)
