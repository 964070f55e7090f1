"""What the archive keeps of a finding, and the same as a Detection Finding of OCSF."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self, cast

from django.contrib.auth.models import User
from django.db import models

from actions.models import Attempt, Memory, Reaction, Verdict
from findings.guardduty.parser import Kind
from findings.models import CLOSED, Finding, Mention, Status, TriageEntry

_CLASS = 2004  # Detection Finding
_SEVERITIES = {"LOW": (2, "Low"), "MEDIUM": (3, "Medium"), "HIGH": (4, "High")} | {
    "CRITICAL": (5, "Critical")
}
_ACTIVITIES = {1: "Create", 2: "Update", 3: "Close"}
_STATUSES = {Status.NEW: (1, "New"), Status.IN_PROGRESS: (2, "In Progress")}
_OBSERVABLES = {Kind.DOMAIN: (1, "Hostname"), Kind.ADDRESS: (2, "IP Address")} | {
    Kind.USER: (4, "User Name")
}
_ELSEWHERE = {"id", "raw", "assignee_id"}  # columns that are not in `Content.finding`


@dataclass(frozen=True, slots=True)
class Content:
    """A finding with all that belongs to it, as JSON."""

    raw: str
    finding: Mapping[str, Any]  # its columns, and the name of the assignee
    names: Sequence[tuple[str, str, bool]]  # kind and name of entities, and whether they acted
    triage: Sequence[Mapping[str, Any]]  # the triage log
    actions: Sequence[Mapping[str, Any]]  # with their attempts, verdict and memories

    @property
    def account(self) -> str:
        """The AWS account as the name of a partition; "unknown" if it is not a plain number."""
        said = str(self.finding["account_id"])
        return said if said.isascii() and said.isdigit() else "unknown"

    @property
    def day(self) -> str:
        """The day (UTC) on which it was last seen."""
        return _instant(self.finding["seen_at"]).date().isoformat()

    @classmethod
    def loaded(cls, raw: str, unmapped: Mapping[str, str]) -> Self:
        """Returns the content of a row of the archive. Raises ValueError or KeyError."""
        said = {name: json.loads(unmapped[name]) for name in _UNMAPPED}
        names = tuple((str(kind), str(name), bool(acted)) for kind, name, acted in said["names"])
        return cls(raw, said["finding"], names, said["triage"], said["actions"])


_UNMAPPED = ("finding", "names", "triage", "actions")


def of(pks: Sequence[int], *, is_locked: bool = False) -> dict[int, Content]:
    """Returns the content of findings, by primary key and in its order.

    With `is_locked`, in a transaction, nobody changes these findings or adds to them until its end.
    """
    rows = Finding.objects.filter(pk__in=pks).order_by("pk")
    findings = list(rows.select_for_update() if is_locked else rows)
    users = dict(
        User.objects.filter(pk__in={one.assignee_id for one in findings}).values_list(
            "pk", "username"
        )
    )
    names: dict[int, list[tuple[str, str, bool]]] = defaultdict(list)
    for pk, *name in Mention.objects.filter(finding__in=pks).values_list(
        "finding_id", "entity__kind", "entity__name", "is_actor"
    ):
        names[pk].append(cast("tuple[str, str, bool]", tuple(name)))
    triage = _logs(TriageEntry.objects.filter(finding__in=pks), "finding_id")
    for entry in (entry for several in triage.values() for entry in several):
        del entry["id"]  # another one, when they come back
    actions = Reaction.objects.filter(finding__in=pks)
    # Their state changes, and their log grows, without a lock of the finding.
    actions = actions.select_for_update(of=("self",)) if is_locked else actions
    reactions = _logs(actions, "finding_id")
    done = [action for several in reactions.values() for action in several]
    for log, model in (("attempts", Attempt), ("verdicts", Verdict), ("memories", Memory)):
        rows_of = cast("Any", model).objects.filter(reaction__in=[action["id"] for action in done])
        logs = _logs(rows_of, "reaction_id") if done else {}
        for action in done:
            action[log] = logs.get(action["id"], [])
    return {
        finding.pk: Content(
            raw=finding.raw,
            finding={
                name: _plain(value)
                for name, value in _columns(finding).items()
                if name not in _ELSEWHERE
            }
            | {"assignee": users.get(finding.assignee_id or 0, "")},
            names=sorted(names[finding.pk]),
            triage=triage.get(finding.pk, []),
            actions=reactions.get(finding.pk, []),
        )
        for finding in findings
    }


def _logs(rows: models.QuerySet[Any], key: str) -> dict[int, list[dict[str, Any]]]:
    """Returns the rows by a foreign key, oldest first, each as its columns and the user name."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    users = [
        field.name for field in rows.model._meta.concrete_fields if field.related_model == User
    ]
    for row in rows.select_related(*users).order_by("pk"):
        columns = {name: _plain(value) for name, value in _columns(row).items() if name != key}
        for name in users:
            user = getattr(row, name)
            columns[name] = user.username if user else ""
            del columns[f"{name}_id"]
        found[getattr(row, key)].append(columns)
    return found


def _columns(row: models.Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def digest(contents: Iterable[Content]) -> str:
    """Returns the SHA-256 of the contents, in hexadecimal."""
    found = hashlib.sha256()
    for one in contents:
        found.update(json.dumps(asdict(one), sort_keys=True).encode())
        found.update(b"\n")
    return found.hexdigest()


def ocsf(content: Content, *, at: datetime) -> dict[str, Any]:
    """Returns the row of the archive: a Detection Finding, written at this time."""
    finding = content.finding
    seen = _ms(finding["seen_at"])
    is_closed = finding["status"] in CLOSED
    activity = 3 if is_closed else 2 if finding["count"] > 1 else 1
    severity_id, severity = _SEVERITIES.get(finding["severity"], (0, "Unknown"))
    status_id, status = _STATUSES.get(finding["status"], (4, "Resolved"))
    is_ours = finding["finding_type"].startswith("ThreatReaction:")
    return {
        "activity_id": activity,
        "activity_name": _ACTIVITIES[activity],
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Detection Finding",
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Detection Finding: {_ACTIVITIES[activity]}",
        "time": seen,
        "start_time": _ms(finding["first_seen_at"]),
        "end_time": seen,
        "count": finding["count"],
        "message": finding["title"],
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "status_detail": Status(finding["status"]).label,
        "metadata": {
            "version": "1.1.0",
            "product": {
                "name": "Threat Reaction" if is_ours else "GuardDuty",
                "vendor_name": "Threat Reaction" if is_ours else "AWS",
            },
            "logged_time": _ms(finding["received_at"]),
            "processed_time": int(at.timestamp() * 1000),
        },
        "finding_info": {
            "uid": finding["finding_id"],
            "title": finding["title"],
            "desc": finding["description"],
            "types": [finding["finding_type"]] if finding["finding_type"] else [],
            "created_time": _ms(finding["first_seen_at"]),
            "modified_time": seen,
            "first_seen_time": _ms(finding["first_seen_at"]),
            "last_seen_time": seen,
        },
        "cloud": {
            "provider": "AWS",
            "region": finding["region"],
            "account": {"uid": finding["account_id"]},
        },
        "resources": [
            {"uid": name, "type": kind} for kind, name, is_actor in content.names if not is_actor
        ],
        "observables": [
            {
                "name": f"actor.{kind}" if is_actor else f"resource.{kind}",
                "type_id": _OBSERVABLES.get(cast("Kind", kind), (10, ""))[0],
                "type": _OBSERVABLES.get(cast("Kind", kind), (10, "Resource UID"))[1],
                "value": name,
            }
            for kind, name, is_actor in content.names
        ],
        "raw_data": content.raw,
        "unmapped": {
            "policy_action": finding["action"],
            **{name: json.dumps(getattr(content, name)) for name in _UNMAPPED},
        },
    }


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _ms(text: str | None) -> int | None:
    return int(_instant(text).timestamp() * 1000) if text else None
