"""Whether the filters of a rule let something through."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from findings.guardduty.parser import Unparsed, in_guardduty_format
from findings.models import Finding
from notifications.models import RANKS, Rule


class Facts(Protocol):
    """What the filters ask for. Entities and tags are read only if a rule asks for them."""

    @property
    def finding(self) -> Finding | None:
        """The finding; None for an action that has none."""

    @property
    def entities(self) -> Iterable[str]:
        """The names of all entities that it names."""

    @property
    def tags(self) -> Iterable[str]:
        """The tags of its resources, as key=value."""

    @property
    def account_id(self) -> str:
        """The AWS account; "" if it is in none."""


def matches(rule: Rule, facts: Facts) -> bool:
    """Returns whether all filters of the rule let it through."""
    finding = facts.finding
    if rule.severity and RANKS.get(finding.severity if finding else "", -1) < RANKS[rule.severity]:
        return False
    return (
        _any(rule.types, [finding.finding_type if finding else ""])
        and _any(rule.accounts, [facts.account_id])
        and (not rule.entities or _any(rule.entities, facts.entities))
        and (not rule.tags or _any(map(_as_pair, rule.tags), facts.tags))
    )


def _any(patterns: Iterable[str], texts: Iterable[str]) -> bool:
    wanted = [_as_glob(pattern) for pattern in patterns]
    return not wanted or any(
        fnmatch.fnmatchcase(text.casefold(), pattern) for text in texts for pattern in wanted
    )


def _as_glob(pattern: str) -> str:
    """Returns the pattern for fnmatch, in which only * is special."""
    return pattern.casefold().replace("[", "[[]").replace("?", "[?]")


def _as_pair(pattern: str) -> str:
    """Without a value, a pattern means any value."""
    return pattern if "=" in pattern else f"{pattern}=*"


def tags_of(finding: Finding | None) -> Sequence[str]:
    """Returns the tags of the resources of a finding, as key=value."""
    if finding is None:
        return ()
    try:
        document = in_guardduty_format(json.loads(finding.raw))
    except (ValueError, RecursionError):
        return ()
    if isinstance(document, Unparsed):
        return ()
    resources = [value for name, value in document.items() if name.casefold() == "resource"]
    return list(_tags_in(resources, depth=8))


def _tags_in(value: Any, *, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if str(name).casefold() == "tags":
                yield from _pairs(inner)
            else:
                yield from _tags_in(inner, depth=depth - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _tags_in(inner, depth=depth - 1)


def _pairs(tags: Any) -> Iterator[str]:
    if isinstance(tags, Mapping):
        yield from (f"{key}={value}" for key, value in tags.items())
    elif isinstance(tags, list):
        for tag in tags:
            if isinstance(tag, Mapping):
                said = {str(name).casefold(): value for name, value in tag.items()}
                yield f"{said.get('key', '')}={said.get('value', '')}"
