"""Tests of the image: `make image-test`. Not part of `make test`.

Builds the image, and runs web, worker and release out of it with the environment of the task
definitions, against PostgreSQL and moto's server.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest
import requests

from actions.tests.attacks import attack
from findings.tests.findings import BRUTE_FORCE
from tests import containers, postgresql
from tests.balancer import balancer
from tests.containers import Container
from tests.deployed import DATABASE, HOST, Deployment, deployed, wait_until
from tests.server import ROOT, free_port

MAX_BYTES_OVER_BASE = 220_000_000  # DuckDB alone has 69 million
TASKS = 10
CLIENTS = 8
TYPES = [
    "Recon:EC2/PortProbeUnprotectedPort",
    "UnauthorizedAccess:EC2/RDPBruteForce",
    "UnauthorizedAccess:EC2/TorClient",
    "Backdoor:EC2/C&CActivity.B",
    "Backdoor:EC2/Spambot",
    "CryptoCurrency:EC2/BitcoinTool.B",
    "Trojan:EC2/DNSDataExfiltration",
    "Recon:EC2/Portscan",
]


@pytest.fixture(scope="session")
def base() -> str:
    return containers.base()


@pytest.fixture(scope="session")
def image(base: str) -> str:
    return containers.build("portal", base)


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment without a database, which a test creates."""
    with deployed(tmp_path_factory.mktemp("vendor")) as made:
        yield made


class Client:
    """An API client that reaches the portal through the load balancer."""

    def __init__(self, url: str, credentials: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Host"] = HOST
        named = dict(line.split("=", 1) for line in credentials.splitlines() if "=" in line)
        answer = self.session.post(
            f"{url}/oauth/token",
            {"grant_type": "client_credentials"},
            auth=(named["CLIENT_ID"], named["CLIENT_SECRET"]),
            timeout=60,
        )
        assert answer.ok, answer.text
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def put(self, finding_type: str, action: str) -> requests.Response:
        body = {"policies": [{"finding_type": finding_type, "action": action}]}
        return self.session.put(f"{self.url}/findings", json=body, timeout=60)

    def get(self) -> requests.Response:
        return self.session.get(f"{self.url}/findings", timeout=60)


@pytest.fixture(scope="session")
def credentials(deployment: Deployment, image: str, released: None) -> str:
    """Those of a new API client."""
    scopes = ["--scope", "findings:read", "--scope", "findings:write"]
    return deployment.manage(image, "createapiclient", "pipeline", *scopes)


@pytest.fixture(scope="session")
def released(deployment: Deployment, image: str) -> None:
    """Ten tasks release at once, before the database is there."""
    with ExitStack() as stack:
        tasks = [
            stack.enter_context(deployment.container(image, "WebTask", "release"))
            for _ in range(TASKS)
        ]
        wait_until(lambda: "Trying again" in tasks[0].log)
        deployment.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}", database="postgres")
        assert [task.wait() for task in tasks] == [0] * TASKS
        logs = [task.log for task in tasks]
    assert sum("Applied findings.0001_initial" in log for log in logs) == 1
    assert sum("Applied" in log for log in logs) == 1


# --- What is in the image -------------------------------------------------------------------------


def test_the_image_has_what_it_needs_and_no_more(image: str, base: str) -> None:
    over_base = containers.size(image) - containers.size(base)
    print(f"The image has {over_base / 1e6:.0f} MB over its base.")  # noqa: T201
    assert over_base < MAX_BYTES_OVER_BASE
    with Container(image, ["manage", "shell", "-c", "import time; time.sleep(600)"], {}) as one:
        in_app = one.run("sh", "-c", "cd /app && find . -type f").splitlines()
        folders = {path.split("/")[1] for path in in_app}
        assert not folders & {"panel", "docs", "benchmarks", "scripts", "deploy", "var", ".git"}
        assert not [path for path in in_app if "/tests/" in path or ".env" in path]
        compiled = {path for path in in_app if path.endswith(".pyc")}
        assert len(compiled) == len([path for path in in_app if path.endswith(".py")])
        assert [path for path in in_app if path.startswith("./staticfiles/css/")]
        tools = "for name in gcc cc make git pip pip3; do command -v $name || true; done"
        assert one.run("sh", "-c", tools) == ""
        assert one.run("id", "-u") == "10001"
        written = one.run("sh", "-c", "touch /app/x /tmp/x /venv/x 2>&1 || true")
        assert written.count("Read-only file system") == 3


def test_the_image_says_what_it_is(image: str) -> None:
    inspected = json.loads(containers.engine("image", "inspect", image))[0]
    found = inspected | inspected["Config"]  # podman and docker disagree about their places
    labels = found["Labels"]
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{labels["org.opencontainers.image.version"]}"' in project
    assert len(labels["org.opencontainers.image.revision"].removesuffix("-dirty")) == 40
    assert f"COMMIT={labels['org.opencontainers.image.revision']}" in found["Env"]
    assert found["User"] == "10001:10001"
    assert found["Healthcheck"]["Test"] == ["CMD", "threatreaction", "health"]


@pytest.mark.parametrize("command", [[], ["serve"]])
def test_an_unknown_command_is_an_error(image: str, command: list[str]) -> None:
    with Container(image, command, {}) as one:
        assert one.wait() == 64
        assert "Unknown command" in one.log
        assert "release" in one.log


def test_the_panel_has_its_own_image(base: str, deployment: Deployment) -> None:
    image = containers.build("panel", base)
    port = str(free_port())
    made = deployment.cloud.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    settings = deployment.cloud.environment | {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "LICENSE_SIGNING_KEY": f"kms:{made['KeyMetadata']['Arn']}",
        "PANEL_URL": "http://vendor.example/panel",
        "PANEL_DATABASE_URL": "sqlite:////dev/shm/panel.sqlite3",
        "PORT": port,
    }
    with Container(image, ["web"], settings) as panel:
        wait_until(lambda: "Booting worker" in panel.log)
        panel.run("threatreaction", "release")
        answer = requests.get(
            f"http://127.0.0.1:{port}/panel/accounts/login/code/",
            headers={"Host": "vendor.example"},
            timeout=30,
        )
        assert answer.ok
        assert re.search(r"/static/css/\w+\.[0-9a-f]{12}\.css", answer.text)
        assert panel.stop() == 0


# --- Web and worker -------------------------------------------------------------------------------


def test_a_finding_is_contained(deployment: Deployment, image: str, credentials: str) -> None:
    cloud = deployment.cloud
    with balancer() as entrance, deployment.web(image, entrance) as (_, web):
        port = str(free_port())  # another than that of `web`, which is on the same machine here
        own = {"PORT": port, "WORKER_BIND": f"127.0.0.1:{port}"}
        with deployment.container(image, "WorkerTask", "worker", **own) as worker:
            client = Client(entrance.url, credentials)
            answer = client.put(BRUTE_FORCE, "BLOCK")
            assert answer.status_code == 200, answer.text
            cloud.client("sqs").send_message(
                QueueUrl=deployment.queue, MessageBody=json.dumps(attack(1, "81.2.69.142"))
            )
            wait_until(lambda: cloud.addresses(deployment.ip_set) == {"81.2.69.142/32"})

            for one, task, name in ((web, "WebTask", "web"), (worker, "WorkerTask", "worker")):
                check = deployment.stack.container(task, name)["HealthCheck"]["Command"]
                assert check[0] == "CMD"
                one.run(*check[1:])
            for one in (web, worker):
                began = time.monotonic()
                assert one.stop() == 0, one.log
                assert time.monotonic() - began < containers.GRACE
                assert "Traceback" not in one.log
            assert "Stopped." in worker.log
    with pytest.raises(AssertionError), deployment.container(image, "WebTask", "web") as idle:
        idle.run("sh", "-c", "PORT=1 threatreaction health")


# --- An upgrade under load ------------------------------------------------------------------------

_MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("findings", "{previous}")]
    operations = [{operations}]
"""
# The first adds a column, and then holds the table until the test says so.
_STEPS = {
    "9001_first": """
        migrations.AddField("ThreatPolicy", "note", models.TextField(null=True)),
        migrations.RunSQL(
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM go_on) LOOP PERFORM pg_sleep(0.1);"
            " END LOOP; END $$"
        ),
    """,
    # Rows and tables in one migration would be a deadlock: a writer that waits for a row of the
    # UPDATE holds a lock that CREATE INDEX waits for.
    "9002_second": """
        migrations.RunSQL("UPDATE findings_threatpolicy SET note = action"),
    """,
    "9003_third": """
        migrations.AddIndex("ThreatPolicy", models.Index(fields=["note"], name="by_note")),
    """,
}


@pytest.fixture(scope="session")
def next_image(image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The next version, which has three more migrations."""
    folder = tmp_path_factory.mktemp("next")
    previous = max(path.stem for path in (ROOT / "findings/migrations").glob("0*.py"))
    for name, operations in _STEPS.items():
        text = _MIGRATION.format(previous=previous, operations=operations)
        (folder / f"{name}.py").write_text(text)
        previous = name
    (folder / "Containerfile").write_text(f"FROM {image}\nCOPY *.py /app/findings/migrations/\n")
    name = "threatreaction:test-next"
    containers.engine("build", "--tag", name, "--file", str(folder / "Containerfile"), str(folder))
    return name


@dataclass
class Load:
    """A client that writes and reads, one request after another."""

    client: Client
    finding_type: str
    stop: threading.Event
    writes: int = 0
    reads: int = 0
    last: str = ""
    failures: list[str] = None  # type: ignore[assignment]

    def __call__(self) -> None:
        self.failures = []
        while not self.stop.is_set():
            action = "IGNORE" if self.last == "BLOCK" else "BLOCK"
            began = time.monotonic()
            answer = self.client.put(self.finding_type, action)
            if not answer.ok or not answer.json()["changed"]:
                took = time.monotonic() - began
                self.failures.append(f"PUT {answer.status_code} after {took:.1f} s {answer.text}")
                continue
            self.last = action
            self.writes += 1
            answer = self.client.get()
            read = self._action(answer) if answer.ok else None
            if read != action:
                self.failures.append(f"GET {answer.status_code}: {read} instead of {action}")
            self.reads += 1

    def _action(self, answer: requests.Response) -> str | None:
        """Return the action of its own type."""
        policies = answer.json()["policies"]
        return next(
            (one["action"] for one in policies if one.get("finding_type") == self.finding_type),
            None,
        )


def test_no_write_fails_or_is_lost_while_the_portal_is_upgraded(
    deployment: Deployment, image: str, next_image: str, credentials: str
) -> None:
    stop = threading.Event()
    with ExitStack() as stack:
        entrance = stack.enter_context(balancer())
        old = [stack.enter_context(deployment.web(image, entrance)) for _ in range(2)]
        before = deployment.execute("SELECT count(*) FROM findings_policychange")[0][0]
        loads = [Load(Client(entrance.url, credentials), one, stop) for one in TYPES]
        threads = [threading.Thread(target=load) for load in loads]
        for thread in threads:
            thread.start()
        stack.callback(stop.set)

        def made() -> int:
            return min(load.writes for load in loads)

        def progress() -> None:
            now = made()
            wait_until(lambda: made() > now + 5)

        progress()
        deployment.execute("CREATE TABLE go_on (yes int)")
        deployment.execute(f"GRANT SELECT ON go_on TO {DATABASE}")
        # The first release is stopped during its first migration. It finishes that one only.
        with deployment.container(next_image, "WebTask", "release") as release:
            holding = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'DO %%' AND state = 'active'"
            wait_until(lambda: deployment.execute(holding))
            release.terminate()
            deployment.execute("INSERT INTO go_on VALUES (1)")
            assert release.wait() == 143, release.log
            assert "Applied findings.9001_first" in release.log
            assert "9002_second" not in release.log
        progress()
        # A long report reads the table. The second release lets writes pass while it waits.
        with psycopg.connect(
            host=deployment.socket,
            port=deployment.port,
            user=postgresql.SUPERUSER,
            dbname=DATABASE,
        ) as report:
            report.execute("LOCK TABLE findings_threatpolicy IN SHARE UPDATE EXCLUSIVE MODE")
            with deployment.container(next_image, "WebTask", "release") as release:
                wait_until(lambda: "Trying again. canceling statement" in release.log)
                progress()
                report.rollback()
                assert release.wait() == 0, release.log
                assert "Applied findings.9003_third" in release.log
        progress()
        for _ in range(2):
            stack.enter_context(deployment.web(next_image, entrance))
        progress()
        for port, web in old:
            entrance.drain(port)
            assert web.stop() == 0, web.log
            assert "Traceback" not in web.log
        progress()
        stop.set()
        for thread in threads:
            thread.join()

        assert [load.failures for load in loads] == [[]] * CLIENTS
        writes = sum(load.writes for load in loads)
        after = deployment.execute("SELECT count(*) FROM findings_policychange")[0][0]
        assert after - before == writes
        print(f"{writes} writes and {sum(load.reads for load in loads)} reads.")  # noqa: T201
