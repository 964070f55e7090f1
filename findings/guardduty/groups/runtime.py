"""Groups the facts about processes, which Runtime Monitoring observes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from findings.guardduty.facts import Fact, Group, all_of, fact, group, text_of, told
from findings.guardduty.lenient_json import each, field, text_in


def groups(details: Any) -> Iterator[Group]:
    """Yields the process of a finding, its context and the processes that it acted on."""
    context = field(details, "context")
    yield group("Process", _process(field(details, "process")))
    yield group(
        "Context of the process", all_of(context, skip=("modifyingProcess", "targetProcess"))
    )
    yield group("Modifying process", _process(field(context, "modifyingProcess")))
    yield group("Target process", _process(field(context, "targetProcess")))
    yield group("Runtime details", all_of(details, skip=("process", "context")))


_PROCESS = {
    "Name": "name",
    "Path": "executablePath",
    "SHA-256": "executableSha256",
    "Command line": "commandLine",
    "User": "user",
    "User ID": "userId",
    "Effective user ID": "euid",
    "PID": "pid",
    "PID in the namespace": "namespacePid",
    "Working directory": "pwd",
    "Started": "startTime",
}


def _process(process: Any) -> Iterator[Fact]:
    yield from told(process, _PROCESS)
    lineage = list(each(field(process, "lineage")))
    parent = text_in(field(process, "parentUuid"), 128)
    by_uuid = [one for one in lineage if parent and field(one, "uuid") == parent]
    for number, one in enumerate(dict.fromkeys(map(_ancestor, [*by_uuid, *lineage]))):
        yield from filter(None, [fact("Parent" if number == 0 else f"Ancestor {number + 1}", one)])
    known = {*_PROCESS.values(), "lineage"}
    yield from all_of(process, skip=known)


def _ancestor(process: Any) -> str:
    name, path = text_of(field(process, "name")), text_of(field(process, "executablePath"))
    pid, user = text_of(field(process, "pid")), text_of(field(process, "userId"))
    others = [path if name else "", f"PID {pid}" if pid else "", f"user ID {user}" if user else ""]
    return ", ".join(filter(None, [name or path, *others]))
