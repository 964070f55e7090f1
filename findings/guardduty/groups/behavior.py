"""Groups the facts about unusual behavior, and about the usual behavior that it deviates from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from findings.guardduty.facts import Fact, Group, all_of, fact, group, text_of, words_of
from findings.guardduty.lenient_json import additional, each, field, is_true, items_of

_HOW_OFTEN = {
    "UNSEEN": "seen for the first time",
    "RARE": "rare",
    "INFREQUENT": "infrequent",
    "FREQUENT": "frequent",
    "COUNT": "unusual number",
    "AVERAGE": "unusual average",
}
_profiled = re.compile(
    r"(?P<how>unusual|rare|infrequent|frequent)(?:Profiled)?(?P<what>.+?)"
    r"(?P<scope>Account|UserIdentity|Bucket|Cluster|Database|Username|Function)?Profiling"
)
_SCOPES = {"UserIdentity": "the user identity", "Username": "the user name", None: ""}


def groups(service: Any) -> Iterator[Group]:
    """Yields what is unusual for the account, then its usual behavior."""
    anomaly = field(service, "detection", "anomaly")
    unusual: list[Fact] = []
    usual: list[Fact] = []
    for scope, features in items_of(field(anomaly, "unusual", "behavior")):
        for feature, said in items_of(features):
            unusual += filter(None, [_observed(scope, feature, said)])
    for scope, features in items_of(field(anomaly, "profiles")):
        for feature, profiles in items_of(features):
            for said in each(profiles):
                usual += filter(None, [_observed(scope, feature, said)])
    for info in additional(service):
        for part in ("unusualBehavior", "profiledBehavior"):
            for key, value in items_of(field(info, part)):
                matched = _profiled.fullmatch(key)
                if matched is None:
                    unusual += all_of(value if is_true(value) else None, label=words_of(key))
                    continue
                scope = _SCOPES.get(matched["scope"], f"the {(matched['scope'] or '').lower()}")
                label = f"{words_of(matched['what'])}{f' for {scope}' if scope else ''}"
                is_unusual = matched["how"] == "unusual"
                how = "" if is_unusual else f" ({matched['how']})"
                text = text_of(value)
                found = fact(label, f"{text}{how}" if text else "")
                (unusual if is_unusual else usual).extend(filter(None, [found]))
        unusual += all_of(field(info, "anomalies"))
        unusual += all_of(field(info, "unusual"))
    yield group("Unusual for this account", unusual)
    yield group("Usual behavior", usual, is_minor=True)


def _observed(scope: str, feature: str, said: Any) -> Fact | None:
    observations = field(said, "observations")
    texts = text_of(field(observations, "text")) or text_of(field(observations, "number"))
    how = _HOW_OFTEN.get(text_of(field(said, "profileSubtype")), "")
    label = f"{words_of(feature)} ({words_of(scope).lower()})"
    return fact(label, ": ".join(filter(None, (how[:1].upper() + how[1:], texts))))
