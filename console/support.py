"""The support bundle: what the vendor needs to help, without secrets and without findings.

It contains only what is listed here. A new setting is not in it until someone adds it.
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import datetime
from functools import cache
from importlib import metadata
from typing import Any

import django
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max

from actions import fill, heartbeat, self_test
from actions.metrics import version
from actions.models import Attempt
from console import application, database
from license import status
from storage.instants import iso

ERRORS = 50  # the newest failed attempts
_ATTEMPTS = 10_000  # among so many of the newest

# Settings whose values the bundle contains. None can hold a secret.
SHOWN = (
    "ALLAUTH_TRUSTED_PROXY_COUNT",
    "ARCHIVE_BUCKET",
    "ARCHIVE_FINDINGS",
    "AWS_ACCOUNT_ID",
    "BLOCK_DOMAIN_LISTS",
    "BLOCK_FOR",
    "BLOCK_IP_SETS",
    "BLOCK_PREFIX_LISTS",
    "BUCKET_POLICIES",
    "CONTAINMENT",
    "DEBUG",
    "DEPLOYMENT",
    "ISOLATION",
    "LOG_FORMAT",
    "MAIL_IS_SET_UP",
    "MAX_CONTAINMENTS_PER_HOUR",
    "MEMBER_ACCOUNTS",
    "NEVER_BLOCK",
    "NEVER_BLOCK_DOMAINS",
    "NOTIFY_TOPIC_ARN",
    "OWN_ADDRESSES",
    "QUARANTINE_GROUPS",
    "REQUIRE_SECOND_FACTOR",
    "RETENTION_DAYS",
    "SAVE_BUCKET",
    "SESSION_IDLE_MINUTES",
    "STACK_ID",
)
# Settings of which it says only whether they are set.
SET_OR_NOT = (
    "EVENTS_QUEUE_URL",
    "FINDINGS_QUEUE_URL",
    "LICENSE_KEY",
    "METRICS_TOKEN",
    "OIDC_SERVER_URL",
    "UPDATE_URL",
    "WORKER_BIND",
)


def bundle(now: datetime) -> dict[str, Any]:
    """Returns the bundle as JSON values. Raises django.db.Error."""
    found = application.stack()
    lag = heartbeat.queue_lag()
    test = self_test.last()
    license_status = status.current(now)
    return {
        "made_at": iso(now),
        "versions": {
            "threatreaction": version(),
            "commit": application.commit(),
            "python": platform.python_version(),
            "django": django.get_version(),
            "platform": platform.platform(),
            "packages": _packages(),
        },
        "stack": {"name": found.name, "region": found.region} if found else None,
        "settings": {name: getattr(settings, name) for name in SHOWN},
        "settings_set": {name: bool(getattr(settings, name)) for name in SET_OR_NOT},
        "license": {"status": license_status.kind.value, "code": license_status.code or None},
        "database": asdict(database.database())
        | {"tables": {one.name: _table(one) for one in database.every()}},
        "migrations": _migrations(),
        "checks": [
            {"id": one.id, "level": one.level}  # without texts, which can quote any setting
            for one in checks.run_checks(include_deployment_checks=True)
            if not one.is_silenced()
        ],
        "loops": [
            {"name": one.name, "at": iso(one.at) if one.at else None}
            for one in application.loops(now)
        ],
        "processes": [one._asdict() | {"at": iso(one.at)} for one in heartbeat.workers()],
        "queue": {"at": iso(lag.at), "oldest_seconds": lag.oldest_seconds, "waiting": lag.waiting}
        if lag
        else None,
        "paths": {one.setting: one.is_set_up for one in application.path_states()},
        "lists": [one._asdict() for one in fill.levels()],
        "self_test": [asdict(one) for one in test.probes] if test else [],
        "errors": _errors(),
    }


def _table(table: database.Table) -> dict[str, Any]:
    return {"rows": table.rows, "is_estimate": table.is_estimate, "bytes": table.size}


@cache  # they change only with the process, and take a fifth of a second to read
def _packages() -> dict[str, str]:
    found = {one.name: one.version for one in metadata.distributions() if one.name}
    return dict(sorted(found.items(), key=lambda one: one[0].lower()))


def _migrations() -> dict[str, list[str]]:
    """Returns the last migration of each app that was applied, and those that were not."""
    executor = MigrationExecutor(connection)
    applied = sorted(f"{app}.{name}" for app, name in executor.loader.applied_migrations)
    last = {name.partition(".")[0]: name for name in applied}
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    pending = [f"{one.app_label}.{one.name}" for one, _ in plan]
    return {"last_applied": list(last.values()), "pending": pending}


def _errors() -> list[dict[str, Any]]:
    """Returns the newest failed attempts at actions, with what AWS said."""
    newest = Attempt.objects.aggregate(pk=Max("pk"))["pk"] or 0
    failed = Attempt.objects.filter(pk__gt=newest - _ATTEMPTS, succeeded=False).order_by("-pk")
    rows = failed.values_list("at", "reaction__kind", "reaction__account_id", "answer")[:ERRORS]
    return [
        {"at": iso(at), "action": kind, "account_id": account_id, "answer": answer}
        for at, kind, account_id, answer in rows
    ]
