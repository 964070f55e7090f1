"""What Prometheus is told, and who may ask."""

from __future__ import annotations

import os
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from actions import metrics, monitor
from actions.heartbeat import Heart, Loop
from actions.models import Trip
from actions.tests.attacks import arrive, attack, set_action
from conftest import install
from detectors.meter import EventsCollector, Meter
from license.tests.keys import make_license
from serving.metrics import WorkerCollector
from serving.sqs import Queue
from tests import server as servers
from tests.databases import Databases
from tests.server import ROOT, Server

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # counts in the process

TOKEN = "a-token-for-prometheus"
NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def _on(settings: Settings, groups: None) -> None:
    settings.METRICS_TOKEN = TOKEN


def scrape() -> dict[str, float]:
    """Each sample that is not 0, by its name and labels as they are written."""
    answer = Client(headers=BEARER).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert not answer.cookies
    return {
        f"{sample.name}{list(sample.labels.values()) or ''}": sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
        if sample.value
    }


@time_machine.travel(NOW, tick=False)
def test_what_was_found_and_done_within_a_day_is_counted(settings: Settings) -> None:
    settings.CONTAINMENT, settings.BLOCK_IP_SETS = "on", ["an IP set"]
    set_action("BLOCK")

    def seen(number: int, **ago: float) -> dict[str, object]:
        at = NOW - timedelta(**ago)
        return attack(number, service={"eventLastSeen": at.isoformat()})

    arrive(seen(1), seen(2, hours=23), seen(3, hours=25))
    with time_machine.travel(NOW - timedelta(minutes=5), tick=False):
        arrive(attack(4, "81.2.69.1"))
    told = scrape()
    assert told["threatreaction_findings_last_day['BLOCK']"] == 3
    assert told["threatreaction_actions_last_day['BLOCK', 'pending']"] == 4
    assert told["threatreaction_actions_pending['BLOCK']"] == 4
    assert told["threatreaction_actions_oldest_pending_seconds"] == 300
    assert told["threatreaction_containment_on"] == 1
    assert "threatreaction_breaker_tripped" not in told


def test_a_tripped_breaker_is_told() -> None:
    Trip.objects.create(tripped_at=NOW, limit=1)
    assert scrape()["threatreaction_breaker_tripped"] == 1


def test_the_license_is_told_to_the_second() -> None:
    with time_machine.travel(NOW, tick=False):
        assert scrape()["threatreaction_license_status['missing']"] == 1
        install(make_license(not_before=NOW, days=30))
        told = scrape()
        assert told["threatreaction_license_status['valid']"] == 1
        assert told["threatreaction_license_writes_allowed"] == 1
        assert told["threatreaction_license_seconds_left"] == 30 * 86400
    with time_machine.travel(NOW + timedelta(days=31), tick=False):
        told = scrape()
        assert told["threatreaction_license_status['expired']"] == 1
        assert told["threatreaction_license_seconds_left"] == -86400
        assert "threatreaction_license_writes_allowed" not in told


def test_a_worker_that_is_silent_grows_old() -> None:
    assert not any("heartbeat" in name for name in scrape())
    with time_machine.travel(NOW, tick=False):
        Heart(Loop.ACT).beat()
    with time_machine.travel(NOW + timedelta(minutes=7), tick=False):
        told = scrape()
    assert told["threatreaction_worker_heartbeat_seconds['act']"] == 420
    assert "threatreaction_worker_heartbeat_seconds['receive']" not in told


@pytest.mark.parametrize(
    "sent",
    [
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        "Bearer \xe9",
        "Bearer x",
    ],
)
def test_without_the_token_nothing_is_told(sent: str) -> None:
    answer = Client(headers={"Authorization": sent} if sent else {}).get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert TOKEN not in str(answer.headers) + answer.content.decode()


@pytest.mark.parametrize("sent", ["Bearer ", f"Bearer {TOKEN}"])
def test_without_metrics_token_there_is_no_such_page(settings: Settings, sent: str) -> None:
    settings.METRICS_TOKEN = ""
    assert Client(headers={"Authorization": sent}).get("/metrics").status_code == 404


def test_neither_a_session_nor_an_api_token_is_enough(superuser_client: Client) -> None:
    assert superuser_client.get("/metrics").status_code == 401


def test_prometheus_asks_each_server_by_address_and_over_plain_http(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = Client(headers=BEARER | {"host": "10.0.0.7:8000"}).get("/metrics")
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.usefixtures("valid_license")
def test_it_is_read_only() -> None:
    assert Client(headers=BEARER).post("/metrics").status_code == 405


def test_requests_are_counted_by_route_and_status(viewer_client: Client) -> None:
    before = scrape()

    def more(name: str) -> float:
        return scrape().get(name, 0) - before.get(name, 0)

    finding = 123456
    viewer_client.get("/threats", {"q": "hidden-in-the-query"})
    viewer_client.get(f"/events/{finding}")
    viewer_client.get("/no/such/page/hidden-in-the-path")
    viewer_client.get("/accounts/password/reset/key/1-hidden-key/")
    viewer_client.generic("HIDDEN-METHOD", "/threats")
    assert more("threatreaction_requests_total['GET', 'findings:threats', '200']") == 1
    assert more("threatreaction_requests_total['GET', 'console:event', '404']") == 1
    assert more("threatreaction_requests_total['GET', 'other', '404']") == 1
    assert more("threatreaction_requests_total['other', 'findings:threats', '403']") == 1
    assert more("threatreaction_request_seconds_count['GET', 'findings:threats']") == 1
    assert more("threatreaction_request_seconds_bucket['+Inf', 'GET', 'findings:threats']") == 1
    told = Client(headers=BEARER).get("/metrics").content.decode()
    assert "hidden" not in told.lower()
    assert str(finding) not in told


def test_all_processes_of_a_server_count_together(databases: Databases, tmp_path: Path) -> None:
    """Also those that were killed. The only folder they need is that of temporary files."""
    environment = {"METRICS_TOKEN": TOKEN, "TMPDIR": str(tmp_path)}
    with servers.running(databases, **environment, PROMETHEUS_MULTIPROC_DIR="/no") as server:

        def counted() -> set[float]:
            """What many scrapes, by any of the processes, tell."""
            name = "threatreaction_requests_total"
            answers = [server.request("GET", "/metrics", headers=BEARER).text for _ in range(8)]
            return {
                sample.value
                for answer in answers
                for family in text_string_to_metric_families(answer)
                for sample in family.samples
                if sample.name == name and sample.labels["route"] == "findings:threats"
            }

        for _ in range(20):
            assert server.request("GET", "/threats").status_code == 302
        assert counted() == {20}
        (folder,) = tmp_path.glob("threatreaction-metrics-*")
        assert folder.stat().st_mode & 0o077 == 0
        first = processes(server)
        for process in first:
            os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while len(processes(server)) < 2 * len(first):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert server.request("GET", "/threats").status_code == 302
        assert counted() == {21}
    assert not folder.exists()


def processes(server: Server) -> list[int]:
    """Returns the IDs of all processes that gunicorn has started."""
    return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", server.log)]


def test_a_scrape_is_eleven_queries(
    django_assert_num_queries: DjangoAssertNumQueries, settings: Settings
) -> None:
    settings.BLOCK_IP_SETS = ["arn"]  # how full they are takes a query
    set_action("BLOCK")
    arrive(attack(1))
    with django_assert_num_queries(11):
        scrape()


def test_no_query_reads_a_whole_table() -> None:
    queries = [
        (metrics.findings_by_action(NOW), "finding_newest_first"),
        (metrics.actions_by_state(NOW), "reaction_by_decision"),
        (metrics.pending(), "(pending|reaction_by_kind_and_state)"),
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # as with many rows
        for query, index in queries:
            assert re.search(rf"\b{index}\b", query.explain()), query.explain()


def test_the_documents_list_each_metric_and_no_other() -> None:
    Heart(Loop.ACT).beat()
    install(make_license())
    answer = Client(headers=BEARER).get("/metrics").content.decode()
    section = re.search(
        r"## Monitoring\n(.*?)\n## ", (ROOT / "docs/operations.md").read_text(), re.S
    )
    assert section
    told = set(re.findall(r"^# TYPE (\S+) ", answer, re.M))
    queue = Queue(boto3.Session(region_name="eu-central-1"), "https://sqs.example/queue")
    queue.counts = {"visible": 0}
    queue._was_asked = True
    worker = WorkerCollector(NOW, [Heart(Loop.ACT)], queue)
    told |= {metric.name for metric in worker.collect()}
    meter = Meter()
    meter.end_batch()
    registry = CollectorRegistry()
    registry.register(EventsCollector(meter))
    told |= set(re.findall(r"^# TYPE (\S+) ", generate_latest(registry).decode(), re.M))
    assert told == set(re.findall(r"^\| `(threatreaction_\w+)", section[1], re.M))
    # An alert on a metric that is not there never fires.
    assert set(re.findall(r"threatreaction_\w+", section[1])) == told
    # The same for CloudWatch's.
    assert set(monitor.UNITS) == set(re.findall(r"^\| `([A-Z]\w+)` \|", section[1], re.M))
