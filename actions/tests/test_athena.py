"""The table and the query of deploy/athena/ read the archive."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.retention import parquet
from actions.tests.old_findings import OLD, run, stored
from findings.models import Finding
from tests import athena


def declared() -> str:
    """Returns the columns of the table in the words of DuckDB."""
    columns = athena.columns(athena.parsed("findings.sql"))
    return ", ".join(f'"{one.name}" {one.args["kind"].sql("duckdb")}' for one in columns)


def test_the_table_has_the_columns_of_the_files(tmp_path: Path) -> None:
    parquet.write([], tmp_path / "empty.parquet")
    with duckdb.connect() as engine:
        engine.execute(f"CREATE TABLE declared ({declared()})")
        told = [row[:2] for row in engine.execute("DESCRIBE declared").fetchall()]
        rows = engine.execute(f"DESCRIBE FROM '{tmp_path}/empty.parquet'").fetchall()
    written = [(name, kind.replace("TIMESTAMP_MS", "TIMESTAMP")) for name, kind, *_ in rows]
    assert told == written


def test_the_partitions_are_those_of_the_paths() -> None:
    table = athena.parsed("findings.sql")
    properties = athena.properties(table)
    assert athena.partitions(table) == ["account_id", "day"]
    assert properties["projection.enabled"] == "true"
    assert properties["projection.account_id.values"] == "ACCOUNTS,unknown"
    assert properties["projection.day.format"] == "yyyy-MM-dd"
    template = properties["storage.location.template"]
    assert template == athena.location(table) + "account_id=${account_id}/day=${day}/"


@pytest.mark.one_database(reason="It is about the files.")
@pytest.mark.django_db
def test_the_query_counts_each_finding_once(settings: Settings, tmp_path: Path) -> None:
    settings.ARCHIVE_FOLDER = tmp_path
    for number in range(5):
        stored(number, at=OLD + timedelta(days=number % 2), severity=2 + 3 * (number % 2))
    before = Counter(
        (one.account_id, one.seen_at.date().isoformat(), one.finding_type, one.severity.title())
        for one in Finding.objects.all()
    )
    run()
    call_command("importfindings", str(tmp_path / "account_id=123456789012/day=2024-03-05"))
    Finding.objects.update(set_at="changed")  # so that the archive has them twice
    assert run(now=timezone.now() + timedelta(days=31)).archived == 3
    with duckdb.connect() as engine:
        engine.execute(
            "CREATE VIEW threatreaction_findings AS SELECT * FROM"  # noqa: S608
            f" read_parquet('{tmp_path}/**/*.parquet', hive_partitioning = true,"
            " hive_types = {account_id: VARCHAR, day: VARCHAR})"
        )
        rows = engine.execute(athena.parsed("findings-by-type.sql").sql("duckdb")).fetchall()
    assert {row[:4]: row[4] for row in rows} == before
