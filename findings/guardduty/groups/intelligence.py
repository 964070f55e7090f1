"""Groups the facts from threat lists, other evidence and additional information."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from findings.guardduty.facts import Fact, Group, all_of, fact, group, text_of, told
from findings.guardduty.lenient_json import additional, each, field

_TOLD = {
    "value", "type", "sample", "userAgent", "unusual", "anomalies", "unusualBehavior",
    "profiledBehavior", "recentApiCalls",
}  # fmt: skip


def groups(service: Any) -> Iterator[Group]:
    """Yields what the threat lists, the evidence and the additional information say."""
    evidence = field(service, "evidence")
    lists: list[Fact] = []
    for one in each(field(evidence, "threatIntelligenceDetails")):
        name = text_of(field(one, "threatListName")) or "Threat list"
        lists += filter(None, [fact(name, field(one, "threatNames") or "Listed")])
        lists += told(one, {"SHA-256 of the file": "threatFileSha256"})
        lists += all_of(one, skip=("threatListName", "threatNames", "threatFileSha256"))
    yield group("Threat intelligence", lists)
    yield group("Evidence", all_of(evidence, skip=("threatIntelligenceDetails",)))
    infos = list(additional(service))
    keys = (key for info in infos for key in info if isinstance(key, str))
    skip = _TOLD | {key[:1].lower() + key[1:] for key in keys if "bytes" in key.casefold()}
    agents = [field(info, "userAgent") for info in infos]
    yield group(
        "Additional information",
        *(fact("User agent", field(agent, "fullUserAgent")) for agent in agents),
        *(fact("Kind of user agent", field(agent, "userAgentCategory")) for agent in agents),
        *(all_of(info, skip=skip) for info in infos),
    )
