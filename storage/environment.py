"""The environment as settings read it, and the files that add to it."""

from __future__ import annotations

import io
import os
import re
import warnings
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_LINE = re.compile(r"(#.*|(export )?[A-Za-z_0-9]+=.*)?")  # what django-environ understands


class Env(environ.FileAwareEnv):  # type: ignore[misc]  # environ is not typed
    """FOO from the environment, or from the file that FOO_FILE names (docker and systemd secrets).

    A value that cannot be read raises ImproperlyConfigured, which names the variable and not the
    value: it may be a secret.
    """

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            value = self.ENVIRON.get(var)
            if isinstance(value, str) and value.startswith("$"):
                # django-environ would look for a variable of that name, and tell it if none is set.
                return self.parse_value(value, cast)
            return super().get_value(var, cast, *args, **kwargs)
        except ValueError:
            what = "a whole number" if cast is int else "readable"
            raise ImproperlyConfigured(f"{var} is not {what}") from None
        except OSError as error:
            told = f"{var}_FILE cannot be read: {error.strerror}"
            raise ImproperlyConfigured(told) from None

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


def read_env_files(root: Path, *, only: str | None) -> None:
    """Adds what the files set to the environment; what the environment has already wins.

    `only` names the one file to read; "" reads none. With None, `.env` is read, and then, where
    nothing has set SECRET_KEY, `var/.env`: it trusts a development key, so it must not complete
    the settings of a deployment. A relative path, of the file or in a variable `..._FILE`, starts
    at `root`. Raises ImproperlyConfigured, with the line's number and never its text.
    """
    if only is not None:
        if only:
            _add(root / only, root)
        return
    _add(root / ".env", root, is_optional=True)
    if not {"SECRET_KEY", "SECRET_KEY_FILE"} & os.environ.keys():
        _add(root / "var/.env", root, is_optional=True)


def _add(path: Path, root: Path, *, is_optional: bool = False) -> None:
    before = set(os.environ)
    try:
        environ.Env.read_env(io.StringIO(_text(path)), overwrite=False)
    except OSError as error:
        # A virtual environment may be named .env.
        if is_optional and isinstance(error, FileNotFoundError | IsADirectoryError):
            return
        msg = f"{path} cannot be read: {error.strerror}"
        raise ImproperlyConfigured(msg) from None
    except ValueError:  # not UTF-8, or a NUL
        msg = f"{path} is not text"
        raise ImproperlyConfigured(msg) from None
    for name in set(os.environ) - before:
        if _twin(name) in before:
            del os.environ[name]
        elif name.endswith("_FILE"):
            os.environ[name] = str(root / os.environ[name])


def _text(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):  # django-environ would log it, and it may hold a secret
            msg = f"{path}, line {number}, is not like NAME=value"
            raise ImproperlyConfigured(msg)
    return "\n".join(lines)


def _twin(name: str) -> str:
    """The other name of the same setting: FOO_FILE for FOO, FOO for FOO_FILE."""
    return name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE"
