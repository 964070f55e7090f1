"""Facts of a finding as labels and texts for people. Pure: no Django, no clock.

The lengths and numbers of texts are limited, because an attacker can write some of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from findings.guardduty.lenient_json import field, instant_in, text_in
from storage.instants import shown

VALUE_MAX_LENGTH = 1024
LABEL_MAX_LENGTH = 100
FACTS_MAX = 100  # of a group
_DEPTH = 8  # of an object whose fields are all told
_LISTED = 20  # items of a list in one fact
_DIGITS = 10**20  # a larger number is not told

_word = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+|[^\W_]+")
_spelled = (
    "ACL ACLs API APIs ARN ARNs ASN ASNs AWS CPU DB DNS EBS EC2 ECS EFS EKS GB HTTP IAM ID IDs IP"
    " IPC IPs IPv4 IPv6 ISP ISPs KMS MFA PID RDS S3 SHA SHA256 SSL TCP TLS UDP UID URI URL UUID VPC"
)
_SPELLED = {word.casefold(): word for word in _spelled.split()} | {
    "euid": "effective user ID",
    "pwd": "working directory",
    "uids": "IDs",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a finding says."""

    label: str
    value: str
    kind: str = ""  # of the entity `name`, which the value links to; "" if it is no entity
    name: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Facts that belong together, such as those of a process."""

    title: str
    facts: tuple[Fact, ...]
    is_minor: bool = False  # context that is seldom needed


def group(title: str, *facts: Fact | Iterable[Fact] | None, is_minor: bool = False) -> Group:
    """Returns the group of the facts, each told once. It says so if there are over FACTS_MAX."""
    every = chain.from_iterable((one,) if isinstance(one, Fact) else one or () for one in facts)
    said: dict[Fact, None] = {}
    for one in every:
        if len(said) == FACTS_MAX:
            said.popitem()
            said[Fact("More", "The raw finding says more.")] = None
            break
        said.setdefault(one)
    return Group(title[:LABEL_MAX_LENGTH], tuple(said), is_minor=is_minor)


def fact(label: str, value: Any, *, kind: str = "", name: str = "") -> Fact | None:
    """Returns the fact, or None if the value says nothing."""
    text = text_of(value, is_instant=_is_instant(label))
    if not text:
        return None
    label = label[:LABEL_MAX_LENGTH].strip() or "Value"
    return Fact(label, text, kind if name else "", name)


def told(details: Any, labels: Mapping[str, str]) -> Iterator[Fact]:
    """Yields a fact for each label whose path of keys, joined by dots, has a value."""
    for label, path in labels.items():
        if found := fact(label, field(details, *path.split("."))):
            yield found


def all_of(value: Any, *, skip: Iterable[str] = (), label: str = "") -> Iterator[Fact]:
    """Yields a fact for each text and number inside the value, but for the keys in `skip`.

    `skip` has camelCase keys of the value itself, not of objects inside it.
    """
    return _all_of(value, frozenset(skip), label, 0)


def _all_of(value: Any, skip: frozenset[str], label: str, depth: int) -> Iterator[Fact]:
    if depth > _DEPTH:
        return
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if isinstance(key, str) and key[:1].lower() + key[1:] not in skip:
                name = words_of(key)
                deeper = f"{label} {name[:1].lower()}{name[1:]}" if label else name
                if label and name[:2].isupper():
                    deeper = f"{label} {name}"
                yield from _all_of(inside, frozenset(), deeper[:LABEL_MAX_LENGTH], depth + 1)
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        if text := _in_short(value):
            yield Fact(label or "Values", text)
            return
        for number, one in enumerate(value[:FACTS_MAX], start=1):
            numbered = f"{_singular(label)} {number}" if len(value) > 1 else label
            yield from _all_of(one, frozenset(), numbered.strip(), depth + 1)
    elif found := fact(label, value):
        yield found


def _singular(label: str) -> str:
    return label.removesuffix("es" if label.endswith("sses") else "s")


def _in_short(value: list[Any] | tuple[Any, ...]) -> str:
    """Returns small objects in one text; "" if they are not small.

    Tags become "name: web, team: red", security groups "sg-1 (web), sg-2 (admin)".
    """
    texts = []
    for one in value[:_LISTED]:
        if not isinstance(one, Mapping) or len(one) > 2:
            return ""
        said = [
            text_of(inside) for inside in one.values() if not isinstance(inside, Mapping | list)
        ]
        if len(said) < len(one):
            return ""
        key, of = text_of(field(one, "key")), text_of(field(one, "value"))
        first, *second = filter(None, said) if any(said) else ("",)
        texts.append(f"{key}: {of}" if key else f"{first} ({second[0]})" if second else first)
    more = f" and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
    return text_in(", ".join(filter(None, texts)), VALUE_MAX_LENGTH - len(more)) + more


def text_of(value: Any, *, is_instant: bool = False) -> str:
    """Returns a scalar or a list of scalars as text; "" if it says nothing."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if is_instant and (instant := instant_in(value)) is not None:
        return f"{shown(instant)} UTC"
    if isinstance(value, int):
        return str(value) if abs(value) < _DIGITS else ""
    if isinstance(value, float):
        return f"{value:.15g}" if abs(value) < _DIGITS else ""
    if isinstance(value, list | tuple):
        texts = [text_of(one) for one in value[:_LISTED] if not isinstance(one, list | tuple)]
        more = f" and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        return text_in(", ".join(filter(None, texts)), VALUE_MAX_LENGTH - len(more)) + more
    text = text_in(value, VALUE_MAX_LENGTH)
    return {"true": "Yes", "false": "No"}.get(text.casefold(), text)


def _is_instant(label: str) -> bool:
    return label.casefold().endswith((" at", " time", "created", "updated", "started", "completed"))


def words_of(key: str) -> str:
    """Returns a key in camelCase or snake_case as words: "kmsKeyArn" as "KMS key ARN"."""
    if ":" in key:  # "AWS::S3::Bucket"
        return text_in(key, LABEL_MAX_LENGTH)
    found = (word.casefold() for word in _word.findall(key[:LABEL_MAX_LENGTH]))
    words = " ".join(_SPELLED.get(word, word) for word in found)
    words = words.replace("IP v 4", "IPv4").replace("IP v 6", "IPv6")
    return text_in(words[:1].upper() + words[1:], LABEL_MAX_LENGTH)
