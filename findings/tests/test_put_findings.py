from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from findings import policy
from findings.models import PolicyChange, Target, ThreatPolicy
from findings.tests.api import TYPE, assert_problem, pointers, put, put_raw

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,  # bodies, tags and answers
]

BLOCK = {"finding_type": TYPE, "severity": "HIGH", "action": "BLOCK"}


@pytest.mark.every_database  # from the request to the log
def test_an_operator_sets_a_policy_and_learns_what_changed(operator_client: Client) -> None:
    answer = put(operator_client, {"policies": [BLOCK]})
    assert answer.status_code == 200
    assert answer.json() == {
        "changed": [
            {
                "service": None,
                "finding_type": TYPE,
                "severity": "HIGH",
                "from": None,
                "to": "BLOCK",
            }
        ],
        "unchanged": 0,
        "not_in_catalogue": [],
    }
    assert answer["ETag"] == operator_client.get("/findings")["ETag"]


@pytest.mark.every_database  # queries
def test_the_same_body_twice_changes_nothing_and_says_so(operator_client: Client) -> None:
    first = put(operator_client, {"policies": [BLOCK]})
    second = put(operator_client, {"policies": [BLOCK]})
    assert second.json() == {"changed": [], "unchanged": 1, "not_in_catalogue": []}
    assert second["ETag"] == first["ETag"]


def test_what_was_read_can_be_sent_back(operator_client: Client) -> None:
    put(operator_client, {"policies": [BLOCK, {"service": "S3", "action": "SAVE"}]})
    answer = put(operator_client, operator_client.get("/findings").json())
    assert (answer.status_code, answer.json()["changed"]) == (200, [])


@pytest.mark.every_database  # columns with NULL
@pytest.mark.parametrize("absent", [{}, {"severity": None, "service": None}])
def test_severity_null_or_absent_means_every_severity(
    operator_client: Client, absent: dict[str, None]
) -> None:
    put(operator_client, {"policies": [{"finding_type": TYPE, "action": "SAVE", **absent}]})
    assert ThreatPolicy.objects.actions() == {Target("", TYPE, ""): "SAVE"}


@pytest.mark.every_database  # queries
def test_a_service_stands_for_every_type_of_it(operator_client: Client) -> None:
    put(operator_client, {"policies": [{"service": "EC2", "severity": "LOW", "action": "IGNORE"}]})
    assert ThreatPolicy.objects.actions() == {Target("EC2", "", "LOW"): "IGNORE"}


@pytest.mark.every_database  # columns with NULL
def test_action_null_takes_a_setting_back(operator_client: Client) -> None:
    put(operator_client, {"policies": [BLOCK]})
    answer = put(operator_client, {"policies": [{**BLOCK, "action": None}]})
    [change] = answer.json()["changed"]
    assert (change["from"], change["to"]) == ("BLOCK", None)
    assert not ThreatPolicy.objects.exists()


def test_a_new_type_of_guarddutys_form_is_set_and_said(operator_client: Client) -> None:
    new = "NewPurpose:EC2/New-Family.B&C!DNS"
    answer = put(operator_client, {"policies": [{"finding_type": new, "action": "BLOCK"}]})
    assert answer.json()["not_in_catalogue"] == [new]


def test_the_same_target_twice_with_one_action_is_one_setting(operator_client: Client) -> None:
    answer = put(operator_client, {"policies": [BLOCK, BLOCK]})
    assert (len(answer.json()["changed"]), answer.json()["unchanged"]) == (1, 0)


@pytest.mark.parametrize(
    ("setting", "pointer"),
    [
        ({"action": "BLOCK"}, ""),  # neither
        ({"service": None, "finding_type": None, "action": "BLOCK"}, ""),
        ({"service": "EC2", "finding_type": TYPE, "action": "BLOCK"}, ""),  # both
        ({"service": "EC3", "action": "BLOCK"}, "/service"),
        ({"service": "", "action": "BLOCK"}, "/service"),
        ({"service": 1, "action": "BLOCK"}, "/service"),
        ({"finding_type": "SSHBruteForce", "action": "BLOCK"}, "/finding_type"),
        ({"finding_type": "a:b/" + "c" * 97, "action": "BLOCK"}, "/finding_type"),
        ({"finding_type": TYPE + "\n", "action": "BLOCK"}, "/finding_type"),
        ({"finding_type": TYPE, "severity": "high", "action": "BLOCK"}, "/severity"),
        ({"finding_type": TYPE, "severity": 8, "action": "BLOCK"}, "/severity"),
        ({"finding_type": TYPE, "severity": "", "action": "BLOCK"}, "/severity"),
        ({"finding_type": TYPE}, "/action"),  # removing a setting requires an explicit null
        ({"finding_type": TYPE, "action": "EXPLODE"}, "/action"),
        ({"finding_type": TYPE, "action": True}, "/action"),
        ({"finding_type": TYPE, "action": "REVOKE"}, "/action"),
        ({"service": "Container", "action": "REVOKE"}, "/action"),
        ({"finding_type": TYPE, "action": "BLOCK", "until": "noon"}, "/until"),
        ({"finding_type": TYPE, "action": "BLOCK", "a/b~c": 1}, "/a~1b~0c"),
        ([], ""),
        ("BLOCK", ""),
        (None, ""),
    ],
)
def test_a_setting_that_breaks_a_rule_is_pointed_at(
    operator_client: Client, setting: object, pointer: str
) -> None:
    answer = put(operator_client, {"policies": [BLOCK, setting]})
    assert pointers(answer) == [f"/policies/1{pointer}"]
    assert not ThreatPolicy.objects.exists()
    assert not PolicyChange.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/policies"),
        ({"policies": {}}, "/policies"),
        ({"policies": None}, "/policies"),
        ({"policies": [BLOCK] * 10_001}, "/policies"),
        ({"policies": [], "force": True}, "/force"),
        ([], ""),
        (None, ""),
        ("policies", ""),
    ],
)
def test_a_body_of_another_shape_is_pointed_at(
    operator_client: Client, body: object, pointer: str
) -> None:
    assert pointers(put(operator_client, body)) == [pointer]


def test_everything_that_is_wrong_is_said_at_once(operator_client: Client) -> None:
    answer = put(
        operator_client,
        {
            "policies": [
                {"finding_type": "x", "severity": "x", "action": "x"},
                {"service": "EC2", "finding_type": TYPE, "action": "x"},
                {"service": "Container", "action": "REVOKE"},
                BLOCK,
                {**BLOCK, "action": "SAVE"},
            ],
            "extra": 1,
        },
    )
    assert sorted(pointers(answer)) == [
        "/extra",
        "/policies/0/action",
        "/policies/0/finding_type",
        "/policies/0/severity",
        "/policies/1",
        "/policies/1/action",
        "/policies/2/action",
        "/policies/4",
    ]


def test_an_unknown_service_is_answered_with_the_known_ones(operator_client: Client) -> None:
    answer = put(operator_client, {"policies": [{"service": "EC3", "action": "BLOCK"}]})
    [error] = answer.json()["errors"]
    assert "EC2" in error["detail"]
    assert "Ransomware" in error["detail"]


def test_two_actions_for_one_target_are_refused_at_the_second(operator_client: Client) -> None:
    answer = put(operator_client, {"policies": [BLOCK, {**BLOCK, "action": None}]})
    assert pointers(answer) == ["/policies/1"]
    assert "/policies/0" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"policies": []} and more',
        b"\xff\xfe",
        b'{"policies": [{"finding_type": "\xff"}]}',
        b'\xef\xbb\xbf{"policies": []}',
        b'{"policies": NaN}',
        b'{"policies": -Infinity}',
        b'{"policies": "\\ud800"}',
        b'{"policies": ' + b"9" * 10_000 + b"}",
        b"[" * 100_000,
        b'{"policies": ' * 50_000,
        b"{'policies': []}",
    ],
)
def test_a_body_that_is_no_json_is_malformed(operator_client: Client, body: bytes) -> None:
    answer = put_raw(operator_client, body)
    assert_problem(answer, 400, "malformed_json")
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_a_body_that_does_not_claim_to_be_json_is_refused(
    operator_client: Client, content_type: str
) -> None:
    answer = put_raw(operator_client, b'{"policies": []}', content_type)
    assert_problem(answer, 415, "unsupported_media_type")


def test_json_may_name_its_charset(operator_client: Client) -> None:
    answer = put_raw(operator_client, b'{"policies": []}', "application/json; charset=utf-8")
    assert answer.status_code == 200


def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(
    operator_client: Client,
) -> None:
    body = b'{"policies": []}'.ljust(1024 * 1024)
    assert put_raw(operator_client, body).status_code == 200
    assert_problem(put_raw(operator_client, body + b" "), 413, "body_too_large")


def test_an_answer_does_not_repeat_a_huge_body(operator_client: Client) -> None:
    huge = "x" * 300_000
    answer = put(operator_client, {"policies": [{"finding_type": huge, huge: 1}], "action": huge})
    assert answer.status_code == 422
    assert len(answer.content) < 5_000


def test_an_answer_does_not_list_a_hundred_thousand_errors(operator_client: Client) -> None:
    item = {f"{number:x}": 1 for number in range(90_000)}
    answer = put(operator_client, {"policies": [{"finding_type": TYPE, "action": None, **item}]})
    problem = assert_problem(answer, 422, "invalid_request")
    assert len(problem["errors"]) == 1000
    assert "90000" in problem["detail"]


def test_a_change_made_for_the_present_policy_is_made(operator_client: Client) -> None:
    etag = operator_client.get("/findings")["ETag"]
    assert put(operator_client, {"policies": [BLOCK]}, if_match=etag).status_code == 200


def test_a_list_of_tags_and_a_star_match_too(operator_client: Client) -> None:
    etag = operator_client.get("/findings")["ETag"]
    body: dict[str, list[Any]] = {"policies": []}
    assert put(operator_client, body, if_match=f'"other", {etag}').status_code == 200
    assert put(operator_client, body, if_match="*").status_code == 200


@pytest.mark.parametrize("form", ['"stale"', "W/{}", "{}x", "", ",", '"', "{bare}", '"*"'])
def test_a_stale_weak_or_malformed_tag_never_matches(operator_client: Client, form: str) -> None:
    etag = operator_client.get("/findings")["ETag"]
    tag = form.replace("{bare}", etag.strip('"')).replace("{}", etag)
    answer = put(operator_client, {"policies": [BLOCK]}, if_match=tag)
    assert_problem(answer, 412, "stale_policy")
    assert answer["ETag"] == etag
    assert not ThreatPolicy.objects.exists()


def test_a_wrong_body_is_told_before_a_stale_tag(operator_client: Client) -> None:
    answer = put(operator_client, {"policies": [{}]}, if_match='"stale"')
    assert_problem(answer, 422, "invalid_request")


def test_the_line_in_the_log_names_the_person(operator_client: Client) -> None:
    put(operator_client, {"policies": [BLOCK]})
    line = PolicyChange.objects.get()
    assert line.changed_by is not None
    assert line.changed_by_name == line.changed_by.get_username()
    assert line.source == PolicyChange.Source.PAGE


def test_the_line_in_the_log_names_the_program(program: Callable[[str], Client]) -> None:
    assert put(program("findings:write"), {"policies": [BLOCK]}).status_code == 200
    line = PolicyChange.objects.get()
    assert (line.changed_by, line.changed_by_name) == (None, "pipeline")
    assert line.client_id
    assert line.source == PolicyChange.Source.API


def test_a_viewer_may_not_write(viewer_client: Client) -> None:
    assert_problem(put(viewer_client, {"policies": [BLOCK]}), 403, "permission_denied")


def test_a_program_needs_the_scope_and_learns_which(program: Callable[[str], Client]) -> None:
    answer = put(program("findings:read"), {"policies": [BLOCK]})
    problem = assert_problem(answer, 403, "insufficient_scope")
    assert "findings:write" in problem["detail"]


def test_a_stranger_is_asked_who_they_are_before_anything_else(client: Client) -> None:
    answer = put_raw(client, b"{", "text/plain")
    assert_problem(answer, 401, "unauthenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_right_that_is_missing_is_told_before_a_wrong_body(viewer_client: Client) -> None:
    assert_problem(put_raw(viewer_client, b"{"), 403, "permission_denied")


def test_iam_covers_both_names_that_aws_gives_it(operator_client: Client) -> None:
    answer = put(operator_client, {"policies": [{"service": "IAM", "action": "REVOKE"}]})
    assert answer.status_code == 200
    settings = ThreatPolicy.objects.actions()
    for name in ("UnauthorizedAccess:IAMUser/TorIPCaller", "InitialAccess:IAM/ValidAccounts"):
        assert policy.resolve(settings, finding_type=name, severity="HIGH").action == "REVOKE"
    again = put(operator_client, {"policies": [{"service": "IAMUser", "action": "REVOKE"}]})
    assert again.json()["unchanged"] == 1
    listed = operator_client.get("/findings?service=IAMUser").json()["policies"]
    assert [setting["service"] for setting in listed] == ["IAM"]


def test_one_service_by_two_names_is_named_twice(operator_client: Client) -> None:
    two = [{"service": "IAM", "action": "REVOKE"}, {"service": "IAMUser", "action": "IGNORE"}]
    answer = put(operator_client, {"policies": two})
    assert_problem(answer, 422, "invalid_request")
    assert pointers(answer) == ["/policies/1"]
