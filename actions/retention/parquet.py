"""Parquet files with one row a finding, written and read by DuckDB. No Django.

The types are those that Athena, Spark and Security Lake read: no unsigned numbers, and times in
milliseconds since 1970, as in OCSF. `time_dt` is the same as a timestamp (UTC).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

COLUMNS: Mapping[str, Any] = {
    "activity_id": "INTEGER",
    "activity_name": "VARCHAR",
    "category_uid": "INTEGER",
    "category_name": "VARCHAR",
    "class_uid": "INTEGER",
    "class_name": "VARCHAR",
    "type_uid": "BIGINT",
    "type_name": "VARCHAR",
    "time": "BIGINT",
    "start_time": "BIGINT",
    "end_time": "BIGINT",
    "count": "INTEGER",
    "message": "VARCHAR",
    "severity_id": "INTEGER",
    "severity": "VARCHAR",
    "status_id": "INTEGER",
    "status": "VARCHAR",
    "status_detail": "VARCHAR",
    "metadata": {
        "version": "VARCHAR",
        "product": {"name": "VARCHAR", "vendor_name": "VARCHAR"},
        "logged_time": "BIGINT",
        "processed_time": "BIGINT",
    },
    "finding_info": {
        "uid": "VARCHAR",
        "title": "VARCHAR",
        "desc": "VARCHAR",
        "types": ["VARCHAR"],
        "created_time": "BIGINT",
        "modified_time": "BIGINT",
        "first_seen_time": "BIGINT",
        "last_seen_time": "BIGINT",
    },
    "cloud": {"provider": "VARCHAR", "region": "VARCHAR", "account": {"uid": "VARCHAR"}},
    "resources": [{"uid": "VARCHAR", "type": "VARCHAR"}],
    "observables": [
        {"name": "VARCHAR", "type_id": "INTEGER", "type": "VARCHAR", "value": "VARCHAR"}
    ],
    "raw_data": "VARCHAR",
    "unmapped": {
        "policy_action": "VARCHAR",
        "finding": "VARCHAR",
        "names": "VARCHAR",
        "triage": "VARCHAR",
        "actions": "VARCHAR",
    },
}
_LEAST = 1024 * 1024  # bytes; DuckDB reserves twice the size of the largest row as JSON
_MEMORY = "512MB"


class NotOfTheArchive(ValueError):
    """The file is no Parquet file, or not one of the archive."""


def _type(of: Any) -> str:
    if isinstance(of, dict):
        fields = (f'"{name}" {_type(one)}' for name, one in of.items())
        return f"STRUCT({', '.join(fields)})"
    return f"{_type(of[0])}[]" if isinstance(of, list) else str(of)


def write(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Writes the rows to a new file."""
    lines = path.with_suffix(".jsonl")
    largest = _LEAST
    with lines.open("w") as file:
        for row in rows:
            largest = max(largest, file.write(json.dumps(row)) + 1)
            file.write("\n")
    types = ", ".join(f"\"{name}\": '{_type(of)}'" for name, of in COLUMNS.items())
    with _engine(path.parent) as engine:
        engine.execute(
            'COPY (SELECT *, epoch_ms("time")::TIMESTAMP_MS AS time_dt'  # noqa: S608
            f" FROM read_json('{lines}', format = 'newline_delimited',"
            f" maximum_object_size = {largest}, columns = {{{types}}}))"
            f" TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
        )
    lines.unlink()


def read(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yields `raw_data` and `unmapped` of each row, in order. Raises NotOfTheArchive."""
    with _engine(path.parent) as engine:
        try:
            found = engine.execute(
                f"SELECT raw_data, unmapped FROM read_parquet('{path}')"  # noqa: S608
            )
            while rows := found.fetchmany(100):
                for raw, unmapped in rows:
                    if not isinstance(raw, str) or not isinstance(unmapped, dict):
                        raise NotOfTheArchive("It is not a file of the archive.")
                    yield raw, unmapped
        except duckdb.Error:
            raise NotOfTheArchive("It is not a file of the archive.") from None


@contextmanager
def _engine(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(
        ":memory:",
        config={
            "memory_limit": _MEMORY,
            "temp_directory": str(folder),
            "threads": 1,
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,  # from elsewhere
            "autoload_known_extensions": False,
        },
    ) as engine:
        # It reads and writes no other file.
        engine.execute(f"SET allowed_directories = ['{folder}']")
        engine.execute("SET enable_external_access = false")
        yield engine
