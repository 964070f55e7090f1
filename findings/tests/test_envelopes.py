"""Findings are taken out of whatever wraps them, or refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from findings.guardduty.envelopes import MAX_DEPTH
from findings.guardduty.parser import ParsedFinding, Unparsed, parse, unwrap
from findings.tests.parsed import finding, only, pascal

BARE = finding(title="Probed")
ENVELOPE = {
    "version": "0",
    "id": "28e463cd-ca3b-587f-045e-49903af281e5",
    "detail-type": "GuardDuty Finding",
    "source": "aws.guardduty",
    "detail": BARE,
}
SNS = {"Type": "Notification", "MessageId": "2", "Message": json.dumps(ENVELOPE)}


@pytest.mark.parametrize(
    ("document", "count"),
    [
        (BARE, 1),
        (pascal(BARE), 1),
        ({**BARE, "message": "no wrapping", "findings": [], "detail": {}}, 1),
        (ENVELOPE, 1),
        ({**ENVELOPE, "detail": pascal(BARE)}, 1),
        ({"Detail-Type": "GuardDuty Finding", "Detail": BARE}, 1),
        (
            {"detail-type": "Security Hub Findings - Imported", "detail": {"findings": [BARE]}},
            1,
        ),
        ({"DetailType": "GuardDuty Finding", "Detail": pascal(BARE)}, 1),
        ({**ENVELOPE, "detail": json.dumps(BARE)}, 1),
        ({"source": "aws.guardduty", "detail": BARE}, 1),
        ({"Findings": [BARE, pascal(BARE)]}, 2),
        ({"findings": [BARE, BARE, BARE]}, 3),
        ({"Findings": []}, 0),
        ({"findings": []}, 0),
        ({"Findings": None}, 0),
        ([], 0),
        ([BARE, ENVELOPE, {"Findings": [BARE]}], 3),
        ([[BARE]], 1),
        (json.dumps(BARE), 1),
        ("\ufeff" + json.dumps([BARE, BARE]), 2),
        (SNS, 1),
        ({**SNS, "Message": json.dumps(BARE)}, 1),
        ({"Records": [{"EventSource": "aws:sns", "Sns": SNS}, {"Sns": SNS}]}, 2),
        ({"Records": [{"eventSource": "aws:sqs", "body": json.dumps(ENVELOPE)}]}, 1),
        ({"Records": [{"eventSource": "aws:sqs", "body": json.dumps(SNS)}]}, 1),
        ({"Messages": [{"MessageId": "3", "Body": json.dumps(ENVELOPE)}]}, 1),
        # Events that contain no finding.
        ({**ENVELOPE, "detail": {}}, 0),
        ({**ENVELOPE, "detail": None}, 0),
        ({**ENVELOPE, "detail": "", "Detail": None}, 0),
        ({"detail-type": "GuardDuty Finding", "source": "aws.guardduty"}, 0),
        ({**ENVELOPE, "detail-type": "GuardDuty Malware Protection Object Scan Result"}, 0),
        ({**ENVELOPE, "detail-type": "AWS API Call via CloudTrail"}, 0),
        ({"Detail-Type": "AWS API Call via CloudTrail", "Detail": BARE}, 0),
        ({"DetailType": "AWS API Call via CloudTrail", "Detail": BARE}, 0),
        ({"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe"}, 0),
    ],
    ids=str,
)
def test_findings_are_taken_out_of_their_wrapping(document: Any, count: int) -> None:
    found = list(unwrap(document))
    assert [only(one) for one in found] == [only(BARE)] * count


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "It is not an object."),
        (True, "It is not an object."),
        (9.5, "It is not an object."),
        ("", "It is text, but not JSON."),
        ("finding", "It is text, but not JSON."),
        ("[" * 100_000, "It is text, but not JSON."),
        ("9" * 5_000, "It is text, but not JSON."),  # Python does not convert so many digits
        ({"Records": [{"body": "not JSON"}]}, "It is text, but not JSON."),
        ({"Type": ["Notification"], "Message": "not JSON"}, "It is text, but not JSON."),
        ({**ENVELOPE, "detail": 7}, "It is not an object."),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_wraps_no_finding_is_not_understood(document: Any, reason: str) -> None:
    assert list(unwrap(document)) == [Unparsed(reason)]


def nested(levels: int) -> Any:
    document: Any = BARE
    for _ in range(levels):
        document = [document]
    return document


def test_what_is_nested_too_deep_is_not_understood() -> None:
    assert only(nested(MAX_DEPTH)) == only(BARE)
    for levels in (MAX_DEPTH + 1, 100_000):
        (refused,) = unwrap(nested(levels))
        assert refused == Unparsed("It is nested more than 8 deep.")


def test_text_within_text_is_nested_too() -> None:
    document = json.dumps(BARE)
    for _ in range(MAX_DEPTH + 1):
        document = json.dumps(document)
    assert list(unwrap(document)) == [Unparsed("It is nested more than 8 deep.")]


def test_one_bad_finding_takes_no_other_with_it() -> None:
    found = list(unwrap({"Findings": [BARE, None, "?", ENVELOPE, {}]}))
    kinds = [type(parse(one)) if isinstance(one, Mapping) else type(one) for one in found]
    assert kinds == [ParsedFinding, Unparsed, Unparsed, ParsedFinding, Unparsed]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "It has no id and no type."),
        ({"id": "1"}, "It has no type."),
        ({"type": "Recon:EC2/Portscan"}, "It has no id."),
        ({"id": " ", "type": "\0"}, "It has no id and no type."),
        ({"id": 1, "type": ["Recon:EC2/Portscan"]}, "It has no id and no type."),
        (
            {"Id": "1", "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/inspector"},
            "It is a finding of another product in Security Hub.",
        ),
        ([], "It is not an object."),
    ],
)
def test_a_finding_without_id_or_type_is_not_understood(document: Any, reason: str) -> None:
    assert parse(document) == Unparsed(reason)
