"""Reads YAML as strictly as JSON: text, null, booleans, lists, mappings; with their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

MEDIA_TYPE = "application/yaml"  # RFC 9512
MAX_BYTES = 1024 * 1024
MAX_NODES = 200_000  # after aliases are expanded; the largest policy has 100,000
MAX_DEPTH = 20

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_PLAIN: Mapping[str, Any] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}

Path = tuple[str | int, ...]


class Place(NamedTuple):
    """A position in the text; both numbers begin at 1."""

    line: int
    column: int


class Span(NamedTuple):
    """Where a value begins, and where its last word ends."""

    start: Place
    end: Place
    in_flow: bool  # a list or mapping in brackets


class MalformedYAML(Exception):
    """The text is not YAML, or not of the kind that is accepted. `place` is where."""

    def __init__(self, detail: str, place: Place) -> None:
        super().__init__(f"{detail} at line {place.line} column {place.column}")
        self.detail = detail
        self.place = place


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a YAML document, and where each value and each member is."""

    content: Any
    places: dict[Path, Place] = field(repr=False)
    spans: dict[Path, Span] = field(repr=False)

    def place_of(self, path: Path) -> Place:
        """Returns where the value at a path is, or the nearest that contains it."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, Place(1, 1))


def read(text: bytes) -> Document:
    """Reads the only document in a text. Raises MalformedYAML.

    Numbers and dates stay text. Tags, merge keys, duplicate members, several documents, and aliases
    that expand to more than MAX_NODES values are refused.
    """
    if len(text) > MAX_BYTES:
        raise MalformedYAML("It is larger than 1 MiB", Place(1, 1))
    try:
        return _Reader(text.decode()).document()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise MalformedYAML("It is not UTF-8", Place(line, 1)) from None
    except yaml.MarkedYAMLError as error:
        reason = error.problem or error.context or "It is not YAML"
        raise MalformedYAML(str(reason), _place(error.problem_mark)) from None
    except yaml.YAMLError:  # a character that YAML does not allow
        raise MalformedYAML(
            "It contains a character that YAML does not allow", Place(1, 1)
        ) from None


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


class _Reader:
    """Builds the content from the events of the parser, within the limits."""

    def __init__(self, text: str) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self.places: dict[Path, Place] = {}
        self.spans: dict[Path, Span] = {}
        self.end = Place(1, 1)  # of the last word
        self.nodes = 0
        self.anchors: dict[str, tuple[Any, int]] = {}  # with the number of values

    def document(self) -> Document:
        next(self.events)  # the start of the stream
        event = next(self.events)
        content = None
        if isinstance(event, yaml.DocumentStartEvent):
            content = self._value(next(self.events), ())
            next(self.events)  # the end of the document
            event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise MalformedYAML("It contains several documents", _place(event.start_mark))
        return Document(content, self.places, self.spans)

    def _value(self, event: Any, path: Path) -> Any:
        place = self.places[path] = _place(event.start_mark)
        self.end = _place(event.end_mark)
        content = self._content(event, path, place)
        in_flow = bool(getattr(event, "flow_style", False))
        self.spans[path] = Span(place, self.end, in_flow)
        return content

    def _content(self, event: Any, path: Path, place: Place) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        before = self.nodes
        self._count(1, place)
        if event.tag:
            raise MalformedYAML("Tags are not supported", place)
        if len(path) > MAX_DEPTH:
            raise MalformedYAML("It is nested too deeply", place)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None or event.style == ""
            content = _PLAIN.get(event.value, event.value) if plain else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            content = self._sequence(path)
        else:
            content = self._mapping(path)
        if event.anchor:
            self.anchors[event.anchor] = content, self.nodes - before
        return content

    def _count(self, nodes: int, place: Place) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise MalformedYAML(f"It has more than {MAX_NODES:,} values", place)

    def _alias(self, event: Any, place: Place) -> Any:
        if event.anchor not in self.anchors:  # not before, or around it
            raise MalformedYAML(f"The anchor {event.anchor[:100]} does not exist", place)
        content, nodes = self.anchors[event.anchor]
        self._count(nodes, place)
        return content

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        self._close(event)
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            place = _place(event.start_mark)
            if not isinstance(event, yaml.ScalarEvent):
                raise MalformedYAML("The name of a member must be text", place)
            name = event.value
            if name in members:
                raise MalformedYAML(f"The member {name[:100]!r} occurs twice", place)
            self._count(1, place)
            members[name] = self._value(next(self.events), (*path, name))
            self.places[(*path, name)] = place
        self._close(event)
        return members

    def _close(self, event: Any) -> None:
        """Moves the end behind the bracket that closes a list or mapping; a block has none."""
        if event.start_mark.index != event.end_mark.index:
            self.end = _place(event.end_mark)
