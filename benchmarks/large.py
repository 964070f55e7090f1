"""Compares the pages with 10 million findings with those with 10,000: `make bench-large`.

On SQLite with one million. It takes an hour or more, and some 1.8 GB for each million.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import django

import tests.environment  # noqa: F401  (must precede Django's settings)

os.environ.setdefault("TEST_STATIC_ROOT", tempfile.mkdtemp())
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threatreaction.settings")
django.setup()

from django.db import connection  # noqa: E402

from benchmarks import filling, findings, portal  # noqa: E402  (their models need django.setup())
from findings.models import Finding  # noqa: E402

ROWS = {"postgresql": 10_000_000, "sqlite": 1_000_000}
LISTED = 12  # tables


def main() -> None:
    """Fills a new database, and prints a line for each page and each large table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.large")
    parser.add_argument("--rows", type=int, default=ROWS[connection.vendor], help="findings")
    parser.add_argument("--rounds", type=int, default=20, help="requests of each page")
    asked = parser.parse_args()
    rows = asked.rows
    if rows < filling.FEWEST:
        parser.error(f"--rows must be at least {filling.FEWEST}")
    with portal.database() as (operator, folder):
        print(f"\n{connection.vendor}, {rows:,} findings", flush=True)
        began = time.perf_counter()
        print(findings.pages_of_findings(operator, folder, many=rows, rounds=asked.rounds))
        print(f"  filled and measured in {time.perf_counter() - began:,.0f} s")
        print(_sizes())


def _sizes() -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT relname, pg_table_size(oid), pg_indexes_size(oid), reltuples FROM pg_class"
                " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                " ORDER BY pg_total_relation_size(oid) DESC LIMIT %s",
                [LISTED],
            )
            lines = [
                f"  {table:<30} {size + indexes:>16,} bytes, {(size + indexes) / rows:,.0f} a row"
                f" ({indexes / rows:,.0f} of them indexes)"
                for table, size, indexes, rows in cursor.fetchall()
                if rows > 0
            ]
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            lines = []
            cursor.execute(
                "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
            )
        [size] = cursor.fetchone()
    a_million = size / Finding.objects.count() / 1000
    return "\n".join(
        [*lines, f"  the database: {size:,} bytes, {a_million:.2f} GB a million findings"]
    )


if __name__ == "__main__":
    main()
