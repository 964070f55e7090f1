"""Any finding is stored and decided on without an error."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from actions.models import Reaction
from actions.tests.attacks import arrive
from findings import catalogue
from findings.guardduty.parser import ParsedFinding, parse, unwrap
from findings.models import Entity, Finding, ThreatPolicy

SAMPLES = [
    found
    for path in sorted((Path(portal.BASE_DIR) / "findings/data/samples").glob("*.json"))
    for found in unwrap(json.loads(path.read_text(encoding="utf-8")))
    if isinstance(found, dict)
]
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(), max_size=20),
    st.sampled_from(
        ["\0", "\ud800", "::1", "8.8.8.8", "8.8.8.8%eth0", "2a02::1", "64:ff9b::808:808", "0", "-1",
         "../..", "x" * 5000, "Root", "AKIA", "1e400", "9999-12-31T23:59:59Z"]
    ),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Returns the path to every value in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in inside:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


PLACES = [list(places(sample)) for sample in SAMPLES]


def on_one(action: str) -> Any:
    """An action whose findings are stored with the queries of the others."""
    return pytest.param(action, marks=pytest.mark.one_database)


@pytest.mark.parametrize("action", ["BLOCK", *map(on_one, ["REPORT", "REVOKE", "SAVE"])])
def test_any_finding_is_stored_and_decided_on(db: None, settings: Settings, action: str) -> None:
    settings.CONTAINMENT = "on"
    readings = [said for said in map(parse, SAMPLES) if isinstance(said, ParsedFinding)]
    for service in {catalogue.service_of(said.finding_type) for said in readings}:
        ThreatPolicy.objects.create(service=service, action=action)
    change_and_send()
    assert not Reaction.objects.exclude(state__in=["pending", "prevented"]).exists()
    assert Entity.objects.exclude(last_seen_at=None).exists()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def change_and_send(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(SAMPLES) - 1))
    changed = copy.deepcopy(SAMPLES[number])
    for _ in range(data.draw(st.integers(1, 4))):
        put(changed, data.draw(st.sampled_from(PLACES[number])), data.draw(JUNK))
    for name in ("id", "Id"):
        if isinstance(changed.get(name), str) and changed[name]:
            changed[name] = str(uuid.uuid4())
    before = set(Finding.objects.values_list("pk", flat=True))
    came = arrive(changed)
    added = Finding.objects.exclude(pk__in=before)
    assert came.stored + came.unchanged + came.updated == 1
    for finding in added:
        assert json.loads(finding.raw) == json.loads(json.dumps(changed))


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    """Replaces the value at a path, if the path still exists."""
    *outer, last = path
    for key in outer:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(document, dict) or (isinstance(document, list) and last in range(len(document))):
        document[last] = value
