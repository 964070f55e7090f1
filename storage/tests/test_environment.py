"""Error messages contain the name of an invalid variable, but not its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from storage.environment import Env

env = Env()


@pytest.mark.parametrize(
    ("read", "value", "told"),
    [
        (env.int, "hunter2", "NAME is not a whole number"),
        (env.db_url, "postgres://a:hunter2@host:port/name", "NAME is not a database URL"),
        (env.db_url, "hunter2", "NAME is not a database URL"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(
    read: Callable[[str], Any], value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", value)
    with pytest.raises(ImproperlyConfigured) as refused:
        read("NAME")
    assert str(refused.value) == told


def test_a_variable_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "number").write_text("7")
    # Under a name of its own: what is read from a file is remembered.
    monkeypatch.setenv("NUMBER_FILE", str(tmp_path / "number"))
    assert env.int("NUMBER") == 7


@pytest.mark.parametrize(
    ("held", "read"),
    [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret\n\n", "s3cret\n"), ("\ns", "\ns")],
)
def test_a_file_may_end_with_a_newline(
    held: str, read: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "secret").write_bytes(held.encode())
    name = f"SECRET_{held.encode().hex().upper()}"  # what is read from a file is remembered
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    assert env.str(name) == read


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (env.str, "$ecret"),
        (lambda name: env.str(name, default=""), "$ecret"),
        (lambda name: env.list(name, default=[]), ["$ecret"]),
    ],
)
def test_a_secret_may_begin_with_a_dollar(
    read: Callable[[str], Any], said: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "$ecret")
    assert read("NAME") == said
