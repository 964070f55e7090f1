"""Counts of actions in a period."""

from __future__ import annotations

from datetime import datetime
from itertools import chain

from django.db import connection

from actions.models import ReactionKind, State
from storage import capped


def by_kind_and_state(since: datetime) -> list[tuple[ReactionKind, State, int]]:
    """Returns how many actions that were decided since then have each kind and state.

    A count stops at capped.MOST + 1. Leaves out what does not occur.
    """
    kinds = [(kind.value, state.value) for kind in sorted(ReactionKind) for state in sorted(State)]
    values = ", ".join(["(%s, %s)"] * len(kinds))
    with connection.cursor() as cursor:
        # An index answers the subquery for each kind and state. Without its order, PostgreSQL may
        # read the whole table for each: it takes all kinds and states to be equally frequent.
        cursor.execute(
            f"WITH k (kind, state) AS (VALUES {values}) SELECT kind, state,"  # noqa: S608
            " (SELECT count(*) FROM (SELECT 1 FROM actions_reaction r WHERE r.kind = k.kind"
            " AND r.state = k.state AND r.decided_at >= %s ORDER BY r.decided_at"
            f" LIMIT {capped.MOST + 1}) AS found)"
            " FROM k ORDER BY kind, state",
            [*chain(*kinds), connection.ops.adapt_datetimefield_value(since)],
        )
        return [
            (ReactionKind(kind), State(state), count)
            for kind, state, count in cursor.fetchall()
            if count
        ]
