"""The policy as code, for programs: YAML, plans, replacement, effective action, catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from findings.catalogue import FINDING_TYPES
from findings.ingest import ingest
from findings.models import PolicyChange, Target, ThreatPolicy
from findings.tests.api import TYPE, assert_problem, put, put_raw
from findings.tests.findings import finding
from license.models import License

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # answers over HTTP

FILE = f"""\
replace: true
policies:
  - {{service: EC2, action: SAVE}}
  - {{finding_type: "{TYPE}", severity: HIGH, action: BLOCK}}
"""
WHOLE = {Target("EC2", "", ""): "SAVE", Target("", TYPE, "HIGH"): "BLOCK"}
YAML = "application/yaml"


@pytest.fixture
def reader(program: Callable[[str], Client]) -> Client:
    return program("findings:read")


@pytest.fixture
def writer(program: Callable[[str], Client], valid_license: License) -> Client:
    client = program("findings:read findings:write")
    put(client, {"policies": [{"service": "S3", "action": "REPORT"}]})
    return client


def plan(client: Client, body: str = FILE, content_type: str = YAML) -> Any:
    return client.post("/findings/plan", body, content_type=content_type)


@pytest.mark.every_database  # from a plan to the policy
def test_what_is_planned_is_applied_and_the_same_file_then_changes_nothing(writer: Client) -> None:
    recent = {"eventLastSeen": timezone.now().isoformat()}
    ingest([finding(1, service=recent)], settings={}, at=timezone.now())
    planned = plan(writer)
    assert planned.status_code == 200
    found = planned.json()
    assert planned["ETag"] == found["etag"] == writer.get("/findings")["ETag"]
    assert [(one["service"], one["from"], one["to"]) for one in found["changed"]] == [
        ("EC2", None, "SAVE"),
        (None, None, "BLOCK"),
        ("S3", "REPORT", None),
    ]
    assert found["effect"]["gained"] == {"BLOCK": 1}
    assert found["text"].startswith("3 rules would change:\n  + EC2: SAVE\n")
    assert "- S3: REPORT" in found["text"]
    assert "1 more would have been blocked" in found["text"]
    assert PolicyChange.objects.count() == 1  # nothing yet
    applied = put_raw(writer, FILE.encode(), YAML, if_match=found["etag"])
    assert applied.json()["changed"] == found["changed"]
    assert ThreatPolicy.objects.actions() == WHOLE
    assert plan(writer).json()["text"] == "Nothing would change."


def test_the_export_is_a_file_that_changes_nothing(writer: Client) -> None:
    etag = writer.get("/findings")["ETag"]
    assert put_raw(writer, FILE.encode(), YAML, if_match=etag).status_code == 200
    exported = writer.get("/findings?format=yaml")
    assert exported["Content-Type"] == YAML
    assert exported["ETag"] == writer.get("/findings")["ETag"]
    assert plan(writer, exported.content.decode()).json()["changed"] == []
    part = writer.get("/findings?format=yaml&service=EC2&action=BLOCK").content.decode()
    assert "replace: false" in part
    assert "SAVE" not in part
    problem = assert_problem(writer.get("/findings?format=xml"), 422, "invalid_request")
    assert problem["errors"][0]["parameter"] == "format"


def test_a_replacement_says_what_it_replaces(writer: Client) -> None:
    for tags in ({}, {"if_match": "*"}):
        assert_problem(put_raw(writer, FILE.encode(), YAML, **tags), 428, "precondition_required")
    etag = plan(writer).json()["etag"]
    put(writer, {"policies": [{"service": "IAM", "action": "BLOCK"}]})
    stale = put_raw(writer, FILE.encode(), YAML, if_match=etag)
    assert_problem(stale, 412, "stale_policy")
    assert stale["ETag"] == writer.get("/findings")["ETag"]
    assert ThreatPolicy.objects.actions() == {
        Target("S3", "", ""): "REPORT",
        Target("IAM", "", ""): "BLOCK",
    }


def test_planning_writes_nothing_so_it_needs_no_license_and_applying_does(
    reader: Client, program: Callable[[str], Client], expired_license: License
) -> None:
    assert plan(reader).status_code == 200
    refused = put_raw(program("findings:write"), FILE.encode(), YAML, if_match='"x"')
    assert_problem(refused, 403, "license_expired")


def test_what_is_wrong_in_yaml_is_said(
    reader: Client, program: Callable[[str], Client], valid_license: License
) -> None:
    problem = assert_problem(plan(reader, "policies:\n  - a: b\n    a: c\n"), 400, "malformed_yaml")
    assert "line 3 column 5" in problem["detail"]
    wrong = plan(reader, "policies:\n  - {service: EC2, action: DESTROY, colour: red}\n")
    found = assert_problem(wrong, 422, "invalid_request")["errors"]
    assert {error["pointer"] for error in found} == {"/policies/0/action", "/policies/0/colour"}
    assert_problem(plan(reader, "replace: 'yes'\npolicies: []"), 422, "invalid_request")
    assert_problem(plan(reader, ""), 400, "malformed_json")
    assert_problem(plan(reader, FILE, "text/plain"), 415, "unsupported_media_type")
    assert_problem(plan(reader, "a: " + "b" * 1024 * 1024), 413, "body_too_large")
    elsewhere = program("findings:triage").patch("/findings/events", FILE, content_type=YAML)
    assert_problem(elsewhere, 415, "unsupported_media_type")
    many = "&a [" + "x, " * 999 + "x]"
    laughs = f"a: {many}\n" + "\n".join(f"b{i}: [{'*a, ' * 99}*a]" for i in range(20))
    assert_problem(plan(reader, laughs), 400, "malformed_yaml")


def test_who_may_not_read_findings_may_not_plan(
    program: Callable[[str], Client], stranger_client: Client
) -> None:
    assert_problem(plan(program("findings:write")), 403, "insufficient_scope")
    assert plan(stranger_client).status_code == 403


def test_the_action_that_applies_and_why(writer: Client) -> None:
    etag = writer.get("/findings")["ETag"]
    put_raw(writer, FILE.replace("BLOCK", "SIMULATE_BLOCK").encode(), YAML, if_match=etag)
    found = writer.get(f"/findings/effective?finding_type={TYPE}&severity=HIGH").json()
    assert (found["action"], found["simulates"], found["asks"]) == ("SIMULATE_BLOCK", True, False)
    assert found["why"] == f"The rule for {TYPE}, HIGH is the most specific one."
    assert [(one["action"], one["applies"]) for one in found["rules"]] == [
        ("SIMULATE_BLOCK", True),
        (None, False),
        (None, False),
        ("SAVE", False),
    ]
    by_default = writer.get("/findings/effective?service=IAMUser").json()
    assert (by_default["action"], len(by_default["rules"])) == ("REPORT", 1)
    assert by_default["why"] == "No rule applies, and the default is REPORT."
    for query in ("", "?service=EC2&finding_type=Recon:EC2/Portscan", "?finding_type=x", "?typ=x"):
        assert_problem(writer.get(f"/findings/effective{query}"), 422, "invalid_request")


def test_the_catalogue(reader: Client) -> None:
    types = {one["finding_type"]: one for one in reader.get("/catalogue").json()["finding_types"]}
    assert types.keys() == FINDING_TYPES.keys()
    assert types["UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"] == {
        "finding_type": "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS",
        "service": "IAM",
        "source": "guardduty",
        "severities": ["HIGH"],
        "tactic": "Initial Access",
        "can_revoke": True,
        "detected_by": "CloudTrail management events or CloudTrail data events for S3",
    }
    assert types["ThreatReaction:Ransomware/Write"]["detected_by"] == "ThreatReaction"


def test_the_preview_of_the_page_knows_a_replacement(
    operator_client: Client, writer: Client
) -> None:
    recent = {"eventLastSeen": timezone.now().isoformat()}
    ingest([finding(1, service=recent)], settings={}, at=timezone.now())
    put(writer, {"policies": [{"service": "EC2", "action": "BLOCK"}]})
    body = {"replace": True, "policies": []}
    shown = operator_client.post("/threats/preview", body, content_type="application/json")
    assert "1 would no longer have been blocked" in shown.content.decode()
