"""Helpers for the tests of the parser."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from findings.guardduty.parser import Address, Entity, Kind, ParsedFinding, Unparsed, parse, unwrap

SAMPLES = Path(__file__).parents[1] / "data/samples"


def load(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text(encoding="utf-8"))


def only(document: Any) -> ParsedFinding:
    """Returns the parsed form of the only finding in the document."""
    (finding,) = unwrap(document)
    assert not isinstance(finding, Unparsed)
    understood = parse(finding)
    assert isinstance(understood, ParsedFinding)
    return understood


def finding(**said: Any) -> dict[str, Any]:
    return {"id": "1", "type": "Recon:EC2/Portscan", **said}


def pascal(value: Any) -> Any:
    """Returns the document with its keys in PascalCase, as in `aws guardduty get-findings`."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: pascal(inside) for key, inside in value.items()}
    return [pascal(inside) for inside in value] if isinstance(value, list) else value


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)


def actor(kind: Kind, name: str) -> Entity:
    return Entity(kind, name, is_actor=True)


def target(kind: Kind, name: str) -> Entity:
    return Entity(kind, name, is_actor=False)


def acting(*addresses: Address) -> tuple[Entity, ...]:
    return tuple(actor(Kind.ADDRESS, address.address) for address in addresses)
