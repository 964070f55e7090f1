"""Counts of actions in a period."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from actions.models import ReactionKind, State
from storage import capped


def by_kind_and_state(since: datetime) -> list[tuple[ReactionKind, State, int]]:
    """Returns how many actions that were decided since then have each kind and state.

    A count stops at capped.MOST + 1. Leaves out what does not occur.
    """
    kinds = [(kind, state) for kind in sorted(ReactionKind) for state in sorted(State)]
    # One statement, with a subquery for each kind and state, which an index answers.
    one = (
        "SELECT count(*) FROM (SELECT 1 FROM actions_reaction WHERE kind = %s AND state = %s"  # noqa: S608
        f" AND decided_at >= %s LIMIT {capped.MOST + 1}) AS counted{{}}"
    )
    at = connection.ops.adapt_datetimefield_value(since)
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT {number}, ({one.format(number)})" for number in range(len(kinds))
            ),
            [value for kind, state in kinds for value in (kind.value, state.value, at)],
        )
        return [(*kinds[number], count) for number, count in cursor.fetchall() if count]
