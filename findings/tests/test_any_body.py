"""Any request body gets a result or a problem document, never a 500."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from findings.catalogue import FINDING_TYPES, SERVICES
from findings.models import ThreatPolicy
from findings.tests.api import put, put_raw

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valid_license")]

# All examples of a test share one client and one database, in any order.
examples = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=20), children, max_size=4)
    ),
)
almost_a_setting = st.fixed_dictionaries(
    {},
    optional={
        "service": st.sampled_from([*SERVICES, None, ""]) | anything,
        "finding_type": st.sampled_from([*FINDING_TYPES, None, "New:New/New&!.-"]) | anything,
        "severity": st.sampled_from(["LOW", "MEDIUM", "HIGH", "CRITICAL", None]) | anything,
        "action": st.sampled_from(["IGNORE", "REPORT", "BLOCK", "REVOKE", "SAVE", None]) | anything,
        "more": anything,
    },
)
almost_a_body = st.fixed_dictionaries(
    {"policies": st.lists(almost_a_setting, max_size=6) | anything}
)


def assert_answered(answer: Any) -> None:
    assert answer.status_code in {200, 400, 422}
    if answer.status_code == 200:
        assert answer.json().keys() == {"changed", "unchanged", "not_in_catalogue"}
        return
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    if answer.status_code == 422:
        assert problem["errors"]
        assert all(error.keys() == {"pointer", "detail"} for error in problem["errors"])


@pytest.mark.one_database  # bytes that are no JSON reach no query
@examples
@given(body=st.binary(max_size=200))
def test_any_bytes(operator_client: Client, body: bytes) -> None:
    assert_answered(put_raw(operator_client, body))


@pytest.mark.one_database  # most is refused; the next test reaches the queries
@examples
@given(body=anything)
def test_any_json(operator_client: Client, body: object) -> None:
    assert_answered(put(operator_client, body))


@examples
@given(body=almost_a_body)
def test_almost_a_body_is_set_whole_or_not_at_all(operator_client: Client, body: Any) -> None:
    before = ThreatPolicy.objects.actions()
    answer = put(operator_client, body)
    assert_answered(answer)
    if answer.status_code != 200:
        assert ThreatPolicy.objects.actions() == before


@pytest.mark.one_database  # the portal compares the tag, not the database
@examples
@given(tag=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=50))
def test_any_if_match(operator_client: Client, tag: str) -> None:
    answer = put(operator_client, {"policies": []}, if_match=tag)
    assert answer.status_code in {200, 412}


@examples
@given(query=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3))
def test_any_query(operator_client: Client, query: dict[str, str]) -> None:
    assert operator_client.get("/findings", query).status_code in {200, 422}
