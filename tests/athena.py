"""The statements of deploy/athena/."""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import exp

from tests.server import ROOT


def parsed(name: str) -> Any:
    """Returns the only statement of a file, as sqlglot understands it."""
    text = (ROOT / "deploy/athena" / name).read_text()
    (statement,) = sqlglot.parse(text, dialect="athena")
    assert not isinstance(statement, exp.Command)  # what the parser does not know
    return statement


def columns(table: Any) -> list[exp.ColumnDef]:
    """Returns the columns of a table, without those of its partitions."""
    return [one for one in table.this.expressions if isinstance(one, exp.ColumnDef)]


def properties(table: Any) -> dict[str, str]:
    """Returns the TBLPROPERTIES of a table."""
    return {
        one.name: one.args["value"].name
        for one in table.args["properties"].expressions
        if type(one) is exp.Property
    }


def partitions(table: Any) -> list[str]:
    """Returns the names of the columns by which a table is partitioned."""
    (found,) = table.find_all(exp.PartitionedByProperty)
    return [one.name for one in found.this.expressions]


def location(table: Any) -> str:
    """Returns where the files of a table are."""
    (found,) = table.find_all(exp.LocationProperty)
    return str(found.this.name)
