"""Reads settings from environment variables and .env files."""

from __future__ import annotations

import io
import os
import re
import warnings
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_LINE = re.compile(r"(#.*|(export )?[A-Za-z_0-9]+=.*)?")  # the syntax that django-environ supports


class _Files(environ.fileaware_mapping.FileAwareMapping):  # type: ignore[misc]  # not typed
    """The environment. A value from a file lacks the newline with which editors end a file."""

    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return re.sub(r"\r?\n\Z", "", value) if self.env.get(f"{key}_FILE") else value


class Env(environ.FileAwareEnv):  # type: ignore[misc]  # environ is not typed
    """Reads FOO from the environment, or from the file in FOO_FILE (Docker and systemd secrets).

    Raises ImproperlyConfigured for an invalid value. The message contains the name of the variable
    but not its value, which may be secret.
    """

    ENVIRON = _Files()

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
        """Return the database settings for a URL such as postgres://user:password@host/name.

        Raises ImproperlyConfigured if the variable is not a database URL.
        """
        with warnings.catch_warnings(action="ignore"):  # its warning contains the URL
            try:
                found: dict[str, Any] = super().db_url(var, *args, **kwargs)
            except ValueError:
                found = {}
        if not found.get("ENGINE"):
            raise ImproperlyConfigured(f"{var} is not a database URL")
        return found


def read_env_files(root: Path, *, only: str | None) -> None:
    """Add the variables in the .env files to the environment, without overriding existing ones.

    `only` is the one file to read; "" means no file. By default, reads `.env`, and then `var/.env`
    if SECRET_KEY is not set: that file trusts a development key and must not complete the settings
    of a deployment. Relative paths are relative to `root`. Raises ImproperlyConfigured, with the
    line number but not the line.
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
        # .env may be the directory of a virtual environment.
        if is_optional and isinstance(error, FileNotFoundError | IsADirectoryError):
            return
        msg = f"{path} cannot be read: {error.strerror}"
        raise ImproperlyConfigured(msg) from None
    except ValueError:  # invalid UTF-8, or a NUL
        msg = f"{path} is not a text file"
        raise ImproperlyConfigured(msg) from None
    for name in set(os.environ) - before:
        if _twin(name) in before:
            del os.environ[name]
        elif name.endswith("_FILE"):
            os.environ[name] = str(root / os.environ[name])


def _text(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):  # django-environ would log the line, which may be secret
            msg = f"{path}, line {number}: expected NAME=value"
            raise ImproperlyConfigured(msg)
    return "\n".join(lines)


def _twin(name: str) -> str:
    """Return FOO_FILE for FOO, and FOO for FOO_FILE."""
    return name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE"
