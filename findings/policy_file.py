"""The policy as a YAML file: reads it, writes it, and rewrites a file that people keep.

A file has the members of PUT /findings. Rewriting changes the lines of the rules that changed, and
no other character. A YAML library that loads and dumps would move comments and lose some: it
attaches a comment to the rule before it, with which it is removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.conf import settings
from django.urls import reverse
from pydantic import ValidationError

from findings.models import Target
from findings.policy import Policy
from findings.schemas import PolicyUpdate
from problems import yaml_body
from problems.json_body import MAX_ERRORS, describe
from problems.yaml_body import Document, MalformedYAML, Place

_MEMBERS = ("service", "finding_type", "severity")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9:/&!._-]*[A-Za-z0-9._-]")
_NOT_TEXT = {"null", "true", "false", "yes", "no", "on", "off"}
_BREAK = re.compile(r"[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029])|.+\Z")  # YAML 1.1
_DASH = re.compile(r"(\s*)-\s+")
_DASH_ALONE = re.compile(r"(\s*)-\s*(#.*)?")


class InvalidFile(Exception):
    """A file is not a policy. `errors` has a line for each error, with its place in the file."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def load(text: bytes, *, name: str) -> PolicyUpdate:
    """Reads a policy. `name` is that of the file, for the errors. Raises InvalidFile."""
    return _validated(document(text, name=name), name=name)


def document(text: bytes, *, name: str) -> Document:
    """Reads a YAML file. Raises InvalidFile."""
    try:
        return yaml_body.read(text)
    except MalformedYAML as error:
        raise InvalidFile([f"{_at(name, error.place)}: {error.detail}."]) from None


def _validated(found: Document, *, name: str) -> PolicyUpdate:
    try:
        return PolicyUpdate.model_validate(found.content)
    except ValidationError as error:
        raise InvalidFile(errors_of(found, error, name=name)) from None


def errors_of(found: Document, error: ValidationError, *, name: str) -> list[str]:
    """Returns the validation errors of a file, in its order, with their places."""
    errors = sorted(
        (
            found.place_of(entry["loc"]),
            "".join(f"/{part}" for part in entry["loc"]),
            describe(entry),
        )
        for entry in error.errors(include_url=False, include_input=False)
    )
    return [
        f"{_at(name, place)}: {pointer and pointer + ': '}{detail}"
        for place, pointer, detail in errors[:MAX_ERRORS]
    ]


def _at(name: str, place: Place) -> str:
    return f"{name}:{place.line}:{place.column}"


def dump(policy: Policy, *, is_whole: bool = True) -> str:
    """Returns a new file. `is_whole` is whether it replaces the policy when it is applied."""
    schema = f"{settings.PORTAL_URL}{reverse('findings:policy_schema')}"
    lines = [f"# yaml-language-server: $schema={schema}", f"replace: {json.dumps(is_whole)}"]
    lines.append("policies:" if policy else "policies: []")
    for target in sorted(policy):
        lines += _rule(target, policy[target], indent="  ")
    return "".join(f"{line}\n" for line in lines)


def _rule(target: Target, action: str, *, indent: str) -> Iterator[str]:
    members = {name: value for name, value in target._asdict().items() if value}
    begin = "- "
    for name, value in (members | {"action": action}).items():
        yield f"{indent}{begin}{name}: {_scalar(value)}"
        begin = "  "


def _scalar(value: str) -> str:
    is_plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT
    return value if is_plain else json.dumps(value)


def rewritten(text: bytes, policy: Policy, *, name: str) -> str:
    """Returns the file with the rules of this policy: new ones at the end, removed ones removed.

    All else stays as it is, with comments and order. Raises InvalidFile if the file is not a
    policy, or if its form does not allow that.
    """
    found = document(text, name=name)
    if found.content is None:  # empty, or comments only
        before = text.decode()
        result = before + ("" if before.endswith("\n") or not before else "\n") + dump(policy)
    else:
        update = _validated(found, name=name)
        result = _Rewrite(text.decode(), found, name).result(update, policy)
    try:
        settings = load(result.encode(), name=name).settings()
        is_the_same = {target: action for target, action in settings if action} == dict(policy)
    except InvalidFile:
        is_the_same = False
    if not is_the_same:
        raise InvalidFile([f"{_at(name, found.place_of(('policies',)))}: {_CANNOT}"])
    return result


_CANNOT = (
    "The rules cannot be rewritten in place. Write each rule on lines of its own, without brackets"
    " around the list and without anchors that other rules need, or export to a new file."
)


class _Item(NamedTuple):
    """The lines of a rule, counted from 0."""

    first: int
    last: int
    indent: str  # before the dash


class _Rewrite:
    """Edits the lines of a file."""

    def __init__(self, text: str, found: Document, name: str) -> None:
        self.lines: list[str] = _BREAK.findall(text)
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.found = found
        self.name = name

    def result(self, update: PolicyUpdate, policy: Policy) -> str:
        settings = update.policies
        if settings and self._span(("policies",)).in_flow:
            raise self._cannot(("policies",))
        items = [self._item(number) for number in range(len(settings))]
        removed: set[int] = set()
        for number, (setting, item) in enumerate(zip(settings, items, strict=True)):
            action = policy.get(setting.target)
            if action == setting.action:  # also null, which keeps a rule out of the policy
                continue
            if action is None:
                removed.update(range(item.first, item.last + 1))
            else:
                self._put(("policies", number, "action"), action)
        known = {setting.target for setting in settings}
        indent = items[-1].indent if items else "  "
        added = "".join(
            f"{line}{self.newline}"
            for target in sorted(policy)
            if target not in known
            for line in _rule(target, policy[target], indent=indent)
        )
        end = -1
        if added:
            end = items[-1].last if items else self._head()
            self.lines[end] = self.lines[end].rstrip("\r\n") + self.newline
        written = "".join(
            ("" if number in removed else line) + (added if number == end else "")
            for number, line in enumerate(self.lines)
        )
        if not added and items and removed.issuperset(item.first for item in items):
            # The list has become empty.
            return re.sub(r"^(policies:)(?=\s|$)", r"\1 []", written, count=1, flags=re.MULTILINE)
        return written

    def _head(self) -> int:
        """Returns the line of an empty list of rules, and removes its brackets."""
        self._put(("policies",), "")
        return self._span(("policies",)).start.line - 1

    def _item(self, number: int) -> _Item:
        start, end, _ = self._span(("policies", number))
        first = start.line - 1
        before = self.lines[first][: start.column - 1]
        dash = _DASH.fullmatch(before)
        while dash is None and first > 0 and (not before.strip() or before.strip()[0] == "#"):
            first -= 1
            before = self.lines[first].rstrip()
            dash = _DASH_ALONE.fullmatch(before)
        if dash is None:
            raise self._cannot(("policies", number))
        return _Item(first, end.line - 1, dash[1])

    def _put(self, path: yaml_body.Path, value: str) -> None:
        """Replaces the text of a value that is on one line."""
        start, end, _ = self._span(path)
        if start.line != end.line:
            raise self._cannot(path)
        line = self.lines[start.line - 1]
        before, after = line[: start.column - 1], line[end.column - 1 :]
        before = f"{before.rstrip()} " if value and start == end else before
        self.lines[start.line - 1] = (before if value else before.rstrip()) + value + after

    def _span(self, path: yaml_body.Path) -> yaml_body.Span:
        if path not in self.found.spans:  # an alias stands for it
            raise self._cannot(path)
        return self.found.spans[path]

    def _cannot(self, path: yaml_body.Path) -> InvalidFile:
        return InvalidFile([f"{_at(self.name, self.found.place_of(path))}: {_CANNOT}"])
