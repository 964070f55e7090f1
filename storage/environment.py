"""The environment as settings read it."""

from __future__ import annotations

import warnings
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Env(environ.FileAwareEnv):  # type: ignore[misc]  # environ is not typed
    """FOO from the environment, or from the file that FOO_FILE names (docker and systemd secrets).

    A value that cannot be read raises ImproperlyConfigured, which names the variable and not the
    value: it may be a secret.
    """

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, cast, *args, **kwargs)
        except ValueError:
            what = "a whole number" if cast is int else "readable"
            raise ImproperlyConfigured(f"{var} is not {what}") from None

    def db_url(self, var: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The settings of a database, from a URL such as postgres://user:password@host/name."""
        with warnings.catch_warnings(action="ignore"):  # environ's own warning repeats the URL
            try:
                found: dict[str, Any] = super().db_url(var, *args, **kwargs)
            except ValueError:
                found = {}
        if not found.get("ENGINE"):
            raise ImproperlyConfigured(f"{var} is not the URL of a database")
        return found
