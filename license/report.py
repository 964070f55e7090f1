"""What an auditor asks about the license, for `manage.py license --report`. Never the keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Max, Min, Sum

from license import clock, routes, status, validation
from license.models import RefusedWrites
from license.validation import InstalledKey
from storage import journal
from storage.instants import iso


def report(now: datetime) -> dict[str, Any]:
    """Return the report. Its values are for DjangoJSONEncoder. Raises django.db.Error."""
    history, at = validation.history(now)
    found = status.of([entry.validation for entry in history], at, clock=now)
    return {
        "generated_at": now,
        "status": found.as_json(with_details=True),
        "seen_times": [
            {"source": source.value, "at": seen_at} for source, seen_at in clock.seen().items()
        ],
        "history": [_entry(one) for one in history],
        "gates": [
            {
                "path": route.path,
                "view_name": route.view_name,
                "methods": list(route.methods),
                "gated": not route.exempt_by or bool(route.where),
                "exempt_by": route.exempt_by or None,
                "exempt_where": route.where or None,
            }
            for route in routes.all_routes()
        ],
        "refused_writes": list(
            RefusedWrites.objects.values("code", "view_name")
            .annotate(total=Sum("count"), first_day=Min("day"), last_day=Max("day"))
            .order_by("-total", "code", "view_name")
        ),
        "journals": [journal.head(model)._asdict() for model in journal.journals()],
    }


def _entry(installed: InstalledKey) -> dict[str, Any]:
    """Return a line of the history. The claims are those of the key if its signature is trusted."""
    row, (claims, error) = installed
    return {
        "license_id": claims.jti if claims else row.jti,
        "plan": claims.plan.value if claims else row.plan_untrusted,
        "issued_at": claims.issued_at if claims else None,
        "not_before": claims.not_before if claims else None,
        "expires_at": claims.expires_at if claims else row.expires_at_untrusted,
        "signature_trusted": claims is not None,
        "code": error.code if error else None,
        "installed_at": row.installed_at,
        "installed_by": row.installed_by.get_username() if row.installed_by else None,
        "installed_from": row.source,
    }


def as_text(found: dict[str, Any]) -> str:
    """Return the parts of the report after the status as text, with a table for each."""
    parts: list[tuple[str, list[tuple[Any, ...]]]] = [
        (
            "Times seen",
            [(one["source"], one["at"]) for one in found["seen_times"]],
        ),
        (
            "License history, newest first",
            [
                (
                    one["installed_at"],
                    one["installed_by"] or "-",
                    one["installed_from"],
                    one["license_id"],
                    one["plan"],
                    one["not_before"] or "-",
                    one["expires_at"],
                    one["code"] or "valid",
                )
                for one in found["history"]
            ],
        ),
        (
            "Gates",
            [
                (
                    one["path"],
                    one["view_name"],
                    ",".join(one["methods"]) or "-",
                    "gated" if one["gated"] else "exempt",
                )
                for one in found["gates"]
            ],
        ),
        (
            "Refused writes",
            [
                (one["total"], one["code"], one["view_name"], one["first_day"], one["last_day"])
                for one in found["refused_writes"]
            ],
        ),
        (
            "Journals (manage.py verifyjournal verifies them)",
            [(one["table"], f"{one['lines']} lines", one["sha256"]) for one in found["journals"]],
        ),
    ]
    return "\n\n".join(f"{title}\n{_table(rows)}" for title, rows in parts)


def _table(rows: list[tuple[Any, ...]]) -> str:
    texts = [[_text(value) for value in row] for row in rows]
    return "\n".join("\t".join(["", *row]) for row in texts) or "\tnone"


def _text(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)
