"""What AWS traced is found again: in the lines of the worker about each action."""

from __future__ import annotations

import json
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.management import call_command
from django.test import Client

from actions import worker
from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import arrive, attack, set_action
from license.models import License
from serving.sqs import Queue
from tests.aws import Cloud
from tests.json_log import json_log

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # logs

TRACE = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1"


def send(cloud: Cloud, queue: Queue, finding: Any, trace: str = "") -> str:
    """Sends a message, and returns its ID."""
    header = {"AWSTraceHeader": {"StringValue": trace, "DataType": "String"}} if trace else {}
    sent = cloud.client("sqs").send_message(
        QueueUrl=queue.url,
        MessageBody=json.dumps({"detail": finding}),
        MessageSystemAttributes=header,
    )
    return str(sent["MessageId"])


def test_a_message_has_the_trace_of_aws_or_its_own_id(
    cloud: Cloud, ip_set: str, queue: Queue, session: boto3.Session
) -> None:
    set_action("BLOCK")
    expected = {"81.2.0.2": TRACE}
    send(cloud, queue, attack(1), TRACE)
    expected["81.2.0.3"] = send(cloud, queue, attack(2))
    # Nothing that a trace cannot be gets into the log.
    expected["81.2.0.4"] = send(cloud, queue, attack(3), 'Root=1\n{"level": "CRITICAL"}')
    expected["81.2.0.5"] = send(cloud, queue, attack(4), "x" * 129)
    with json_log() as log:
        worker.receive(queue, threading.Event())
        carry_out_due(session)
    assert dict(Reaction.objects.values_list("target", "trace")) == expected
    assert sorted(
        (line["logger"], line["request_id"])
        for line in log.lines
        if line["logger"] in {"actions.worker", "actions.execution"}
    ) == sorted(
        (logger, trace)
        for logger in ("actions.worker", "actions.execution")
        for trace in expected.values()
    )
    assert "81.2.0" not in log.text  # of a finding, the lines have no content


def test_an_unblock_has_the_trace_of_its_request(
    operator_client: Client, valid_license: License, ip_set: str, session: boto3.Session
) -> None:
    set_action("BLOCK")
    arrive(attack())
    carry_out_due(session)
    block = Reaction.objects.get()
    said = {"reason": "A partner of ours"}
    operator_client.post(f"/actions/{block.pk}/undo", said, headers={"X-Amzn-Trace-Id": TRACE})
    unblock = Reaction.objects.get(kind="UNBLOCK")
    with json_log() as log:
        carry_out_due(session)
    (line,) = [line for line in log.lines if line["logger"] == "actions.execution"]
    assert (line["request_id"], line["level"]) == (TRACE, "INFO")
    assert (line["action_id"], line["action"]) == (unblock.pk, "UNBLOCK")
    assert line["event"] == block.finding_id


def test_a_failure_has_the_trace_of_the_import(
    cloud: Cloud, ip_set: str, session: boto3.Session, tmp_path: Path
) -> None:
    set_action("BLOCK")
    path = tmp_path / "findings.json"
    path.write_text(json.dumps([attack(1), attack(2)]))
    call_command("importfindings", str(path), stdout=StringIO())
    (trace,) = set(Reaction.objects.values_list("trace", flat=True))
    cloud.fail("UpdateIPSet", "WAFInternalErrorException", status=500)
    with json_log() as log:
        carry_out_due(session)
    failed = [line for line in log.lines if line["logger"] == "actions.execution"]
    assert [(line["level"], line["request_id"]) for line in failed] == [("WARNING", trace)] * 2
    assert len(trace) == 32
