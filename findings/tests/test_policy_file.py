"""Policy files: read with places, written, and rewritten with all that people wrote in them."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from findings import policy_file
from findings.catalogue import FINDING_TYPES, SERVICES, Severity, can_revoke
from findings.models import Action, Target
from findings.policy_file import InvalidFile
from findings.schemas import file_schema
from problems import yaml_body

TYPE = "UnauthorizedAccess:EC2/SSHBruteForce"
KEPT = """\
# Threat policy of the payments team
replace: true   # the whole policy
policies: # most specific first

# --- brute force
  - finding_type: UnauthorizedAccess:EC2/SSHBruteForce  # our scanners do this
    severity: HIGH
    action: "BLOCK"  # decided in May

# --- EC2 in general
  -
    # every type
    service: EC2
    action: IGNORE
  # the detectors
  - {service: Ransomware, action: SAVE} # in one line
# the end
"""


def policy_of(text: str | bytes) -> dict[Target, str]:
    update = policy_file.load(text.encode() if isinstance(text, str) else text, name="p")
    return {target: action for target, action in update.settings() if action}


def rewritten(text: str, policy: dict[Target, str]) -> str:
    return policy_file.rewritten(text.encode(), policy, name="policy.yaml")


def test_a_rewrite_changes_the_lines_of_changed_rules_only() -> None:
    policy = policy_of(KEPT)
    assert rewritten(KEPT, policy) == KEPT
    policy[Target("", TYPE, "HIGH")] = "SIMULATE_BLOCK"
    del policy[Target("EC2", "", "")]
    policy[Target("S3", "", "")] = "REPORT"
    expected = KEPT.replace('"BLOCK"', "SIMULATE_BLOCK")
    expected = expected.replace(
        "  -\n    # every type\n    service: EC2\n    action: IGNORE\n", ""
    ).replace("# the end", "  - service: S3\n    action: REPORT\n# the end")
    assert rewritten(KEPT, policy) == expected


def test_a_rewrite_to_nothing_and_back_keeps_the_comments() -> None:
    empty = rewritten(KEPT, {})
    assert policy_of(empty) == {}
    assert "policies: [] # most specific first" in empty
    again = rewritten(empty, policy_of(KEPT))
    assert policy_of(again) == policy_of(KEPT)
    for comment in ("# --- brute force", "# --- EC2 in general", "# the detectors", "# the end"):
        assert comment in again


def test_a_file_of_comments_only_gets_the_policy_below_them() -> None:
    for text in ("# mine", "# mine\n", ""):
        assert rewritten(text, policy_of(KEPT)).startswith(text + "\n" * (text == "# mine") + "# ")
    with pytest.raises(InvalidFile):
        rewritten("null\n", policy_of(KEPT))


@pytest.mark.parametrize(
    "text",
    [
        "replace: true\npolicies: [{service: EC2, action: BLOCK}]\n",
        "policies:\n  - {service: EC2, action: &a BLOCK}\n  - {service: S3, action: *a}\n",
        "policies:\n  - &x {service: EC2, action: BLOCK}\n  - *x\n",
        '"policies":\n  - {service: EC2, action: BLOCK}\n',
    ],
)
def test_a_form_that_cannot_be_rewritten_is_said(text: str) -> None:
    to = {Target("EC2", "", ""): "IGNORE", Target("S3", "", ""): "BLOCK"}
    with pytest.raises(InvalidFile, match=r"policy\.yaml:\d:\d+: .*export to a new file"):
        rewritten(text, {} if text.startswith('"') else to)


def test_a_rewrite_keeps_what_must_not_be_set() -> None:
    text = "policies:\n  - {service: S3, action: null} # never\n  - {service: EC2, action: BLOCK}\n"
    first, never, last = text.splitlines(keepends=True)
    assert rewritten(text, policy_of(text)) == text
    assert rewritten(text, {}) == first + never
    assert rewritten(text, {Target("S3", "", ""): "SAVE"}) == first + never.replace("null", "SAVE")
    assert last not in rewritten(text, {})


def test_every_error_of_a_file_has_its_line_and_column() -> None:
    text = """\
policies:
  - finding_type: nonsense
    action: BLOCK
  - service: EC2
    action: DESTROY
    colour: red
  - service: EC2
    severity: HIGH
  - finding_type: Recon:EC2/Portscan
    action: REVOKE
  - service: EC2
    action: IGNORE
more: true
"""
    with pytest.raises(InvalidFile) as refused:
        policy_file.load(text.encode(), name="policy.yaml")
    places = [line.partition(": ")[0] for line in refused.value.errors]
    assert places == [
        f"policy.yaml:{at}" for at in ("2:5", "5:5", "6:5", "7:5", "10:5", "11:5", "13:1")
    ]
    assert "/policies/1/action: It must be one of" in refused.value.errors[1]
    with pytest.raises(InvalidFile, match=r"^p:2:1: The member 'a' occurs twice\.$"):
        policy_file.load(b"a: b\na: c", name="p")


targets = st.builds(
    Target,
    st.sampled_from(sorted(SERVICES)),
    st.just(""),
    st.sampled_from(["", *Severity.values]),
) | st.builds(
    Target,
    st.just(""),
    st.sampled_from([*sorted(FINDING_TYPES)[:30], "New:Null/No.1-", "No:EC2/a"]),
    st.sampled_from(["", *Severity.values]),
)


def _is_valid(target: Target, action: str) -> bool:
    return Action(action).in_earnest != Action.REVOKE or can_revoke(
        service=target.service, finding_type=target.finding_type
    )


policies = st.dictionaries(targets, st.sampled_from(Action.values), max_size=8).map(
    lambda found: {target: a for target, a in found.items() if _is_valid(target, a)}
)
words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=12)


@given(before=policies, after=policies, comments=st.lists(words, max_size=12), data=st.data())
def test_an_export_says_the_policy_and_keeps_every_comment_between_the_rules(
    before: Any, after: Any, comments: list[str], data: st.DataObject
) -> None:
    text = policy_file.dump(before)
    assert policy_of(text) == before
    lines = text.splitlines()
    for number, comment in enumerate(comments):
        # Before a rule or at the end: what is inside a rule goes with it.
        spots = [at for at, line in enumerate(lines) if line.startswith("  - ")] + [len(lines)]
        at = data.draw(st.sampled_from(spots))
        lines.insert(at, f"  # {number} {comment}")
    text = "\n".join(lines) + "\n"
    result = rewritten(text, after)
    assert policy_of(result) == after
    kept = [line for line in result.split("\n") if line.startswith("  #")]
    assert kept == [line for line in text.split("\n") if line.startswith("  #")]
    assert rewritten(result, after) == result


def test_the_schema_is_published_and_takes_what_an_export_writes(client: Client) -> None:
    answer = client.get("/policy.schema.json")
    assert answer["Content-Type"] == "application/schema+json"
    assert "public" in answer["Cache-Control"]
    schema = json.loads(answer.content)
    assert schema == file_schema()
    assert jsonschema_rs.meta.is_valid(schema)
    validator = jsonschema_rs.validator_for(schema)
    assert validator.is_valid(yaml_body.read(KEPT.encode()).content)
    for wrong in ({"service": "EC2"}, {"service": "EC2", "action": "DESTROY"}):
        assert not validator.is_valid({"policies": [wrong]})
    [line, *_] = policy_file.dump({}).splitlines()
    assert line == f"# yaml-language-server: $schema={settings.PORTAL_URL}/policy.schema.json"
