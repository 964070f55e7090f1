"""A worker as its operator sees it: its log, its health checks and its metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from actions.tests.attacks import attack
from tests.aws import Cloud
from tests.databases import Databases
from tests.server import free_port, manage, worker

TOKEN = "a-token-for-prometheus"
TRACE = "Root=1-67891233-abcdef012345678912345678;Sampled=1"
BODY = "what-only-the-body-of-the-finding-says"
QUERY = "a-query-that-opens-something"
SET = 'from actions.tests.attacks import set_action; set_action("BLOCK")'


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_what_a_worker_tells(cloud: Cloud, databases: Databases, tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    bearer = {"Authorization": f"Bearer {TOKEN}"}

    def lines(logger: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        return [line for line in found if line.get("logger") == logger]

    with databases.copy() as database_url:
        environment = databases.environment(database_url) | cloud.environment
        environment |= {
            "CONTAINMENT": "on",
            "BLOCK_IP_SETS": cloud.ip_set("blocked"),
            "FINDINGS_QUEUE_URL": cloud.queue(),
            "LOG_FORMAT": "json",
            "METRICS_TOKEN": TOKEN,
            "WORKER_BIND": f"127.0.0.1:{port}",
            "DEPLOYMENT": "red-team/1",
        }
        assert manage(environment, "shell", "-v0", "-c", SET).returncode == 0
        sent = cloud.client("sqs").send_message(
            QueueUrl=environment["FINDINGS_QUEUE_URL"],
            MessageBody=json.dumps({"detail": attack(1, title=BODY)}),
            MessageSystemAttributes={
                "AWSTraceHeader": {"StringValue": TRACE, "DataType": "String"}
            },
        )
        with worker(environment, path) as process:
            until(lambda: lines("actions.execution"))
            embedded = until(
                lambda: [line for line in path.read_text().splitlines() if '"_aws"' in line]
            )
            for name in ("/healthz", "/readyz"):
                answer = requests.get(url + name, timeout=30)
                assert (answer.status_code, answer.json()["status"]) == (200, "ok")
            refused = requests.get(f"{url}/metrics", timeout=30)
            assert (refused.status_code, refused.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
            requests.get(f"{url}/metrics?token={QUERY}", headers=bearer, timeout=30)
            metrics = requests.get(f"{url}/metrics", headers=bearer, timeout=30).text
            process.terminate()
            assert process.wait(60) == 0

    # The trace of the message is in each line about it, and nothing of the finding.
    (ingested,), (done,) = lines("actions.worker"), lines("actions.execution")
    assert ingested["message"] == f"Message {sent['MessageId']} was ingested."
    assert (done["message"], done["action"]) == (f"Action {done['action_id']} is done.", "BLOCK")
    assert ingested["request_id"] == done["request_id"] == TRACE
    log = path.read_text()
    for secret in (BODY, "81.2.0.2", TOKEN, QUERY, environment["SECRET_KEY"]):
        assert secret not in log

    # A line in CloudWatch's embedded metric format is nothing but its JSON object.
    told = json.loads(embedded[0])
    assert told.keys() - {"_aws", "Deployment"} == {
        "WorkerHeartbeat",
        "WritesAllowed",
        "BreakerTripped",
        "OldestPendingSeconds",
        "PendingActions",
    }
    assert (told["WorkerHeartbeat"], told["WritesAllowed"]) == (1, 0)
    assert told["Deployment"] == "red-team/1"
    assert abs(told["_aws"]["Timestamp"] / 1000 - time.time()) < 600
    (definition,) = told["_aws"]["CloudWatchMetrics"]
    assert definition["Namespace"] == "ThreatReaction"
    assert definition["Dimensions"] == [["Deployment"]]
    assert {one["Name"] for one in definition["Metrics"]} == told.keys() - {"_aws", "Deployment"}

    assert 'threatreaction_actions_last_day{action="BLOCK",state="done"} 1.0' in metrics
    assert 'threatreaction_worker_round_seconds{loop="receive"}' in metrics
    assert 'threatreaction_queue_messages{state="visible"} 0.0' in metrics
    assert "threatreaction_queue_oldest_message_seconds" in metrics
