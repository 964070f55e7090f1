"""The password of the database is in AWS Secrets Manager, and changes while the portal runs."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import certifi
import psycopg
import pytest
from django.db import OperationalError
from psycopg import sql

from license.tests.keys import make_license
from storage.postgresql import base, configuration, secret
from tests import postgresql, roles
from tests import server as servers
from tests.aws import Cloud
from tests.databases import Databases
from tests.server import Server, free_port
from tests.shell import shell

FIRST, SECOND = "first hunter2 password", "second hunter2 password"


class Cluster:
    """A PostgreSQL server with TLS, and the secret of its user `threatreaction`."""

    def __init__(self, database_url: str) -> None:
        url = urlsplit(database_url)
        self.port = int(parse_qs(url.query)["port"][0])
        self.socket = url.path.rpartition("/")[0].lstrip("/")
        self.execute("CREATE ROLE threatreaction LOGIN")

    def execute(self, statement: str, *arguments: Any) -> None:
        with psycopg.connect(
            host=f"/{self.socket}",
            port=self.port,
            user=postgresql.SUPERUSER,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Literal, arguments)))

    def change_password(self, password: str) -> None:
        self.execute("ALTER ROLE threatreaction PASSWORD {}", password)


class Manager:
    """The secret in AWS Secrets Manager."""

    def __init__(self, cloud: Cloud) -> None:
        self.client = cloud.client("secretsmanager")
        self.arn = self.client.create_secret(Name="rds!cluster-1", SecretString="{}")["ARN"]
        self.put(FIRST)

    def put(self, password: str) -> None:
        text = json.dumps({"username": "threatreaction", "password": password})
        self.client.put_secret_value(SecretId=self.arn, SecretString=text)


@pytest.fixture(scope="session")
def _running_cluster() -> Iterator[Cluster]:
    with postgresql.cluster(tls_port=free_port()) as url:
        yield Cluster(url)


@pytest.fixture
def cluster(_running_cluster: Cluster) -> Cluster:
    _running_cluster.change_password(FIRST)
    return _running_cluster


@pytest.fixture
def manager(cloud: Cloud) -> Iterator[Manager]:
    yield Manager(cloud)
    secret.of.cache_clear()


def settings_of(manager: Manager, *, port: int) -> dict[str, Any]:
    made = configuration.from_parts(
        url_is_set=False,
        host="127.0.0.1",
        port=port,
        name="postgres",
        user="",
        secret_arn=manager.arn,
    )
    assert made
    return made


@contextmanager
def connected(cluster: Cluster, manager: Manager) -> Iterator[Any]:
    """Open a connection as Django does, yield psycopg's, and close it."""
    whole = settings_of(manager, port=cluster.port) | {
        "TIME_ZONE": None,
        "AUTOCOMMIT": True,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "PASSWORD": "",
    }
    wrapper = base.DatabaseWrapper(whole, "default")
    with wrapper.wrap_database_errors:
        connection = wrapper.get_new_connection(wrapper.get_connection_params())
    with connection:
        yield connection


def test_a_new_connection_has_tls_and_the_password_of_now(
    cluster: Cluster, manager: Manager, cloud: Cloud
) -> None:
    with connected(cluster, manager) as open_before:
        assert open_before.pgconn.ssl_in_use
        assert open_before.info.user == "threatreaction"
        with connected(cluster, manager):
            assert cloud.asked.count("GetSecretValue") == 1
        cluster.change_password(SECOND)
        manager.put(SECOND)
        with connected(cluster, manager):
            assert cloud.asked.count("GetSecretValue") == 2
        open_before.execute("SELECT 1")


def test_a_secret_that_is_old_is_read_again_and_kept_if_aws_fails(
    cluster: Cluster, manager: Manager, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret, "FRESH", 0)
    for reads in (1, 2):
        with connected(cluster, manager):
            assert cloud.asked.count("GetSecretValue") == reads
    cloud.fail("GetSecretValue", "AccessDeniedException")
    with connected(cluster, manager):
        pass


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (None, "AccessDeniedException", "AccessDeniedException"),
        (f'{{"username": "threatreaction", "pass": "{FIRST}"}}', "", "not JSON with a username"),
        (f'"{FIRST}', "", "not JSON with a username"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_with_the_reason(
    cluster: Cluster,
    manager: Manager,
    cloud: Cloud,
    caplog: pytest.LogCaptureFixture,
    text: str | None,
    code: str,
    told: str,
) -> None:
    if code:
        cloud.fail("GetSecretValue", code)
    else:
        manager.client.put_secret_value(SecretId=manager.arn, SecretString=text)
    with pytest.raises(OperationalError) as error, connected(cluster, manager):
        pass
    assert manager.arn in str(error.value) and told in str(error.value)
    assert str(error.value) in caplog.text  # pages, /readyz and the worker log less of it
    whole = "".join(traceback.format_exception(error.value)) + caplog.text + repr(error.value)
    assert "hunter2" not in whole


def test_a_wrong_password_ends_as_an_error_that_does_not_show_it(
    cluster: Cluster, manager: Manager, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "PAUSES", (0, 0, 0))
    cluster.change_password(SECOND)
    refused = pytest.raises(OperationalError, match="password authentication failed")
    with refused as error, connected(cluster, manager):
        pass
    assert cloud.asked.count("GetSecretValue") == 4
    assert "hunter2" not in "".join(traceback.format_exception(error.value))
    assert "hunter2" not in repr(secret.of(manager.arn).login())


def test_dbshell_has_the_password_in_its_environment_only(manager: Manager) -> None:
    made = settings_of(manager, port=5432)
    arguments, environment = base.DatabaseClient.settings_to_cmd_args_env(made, [])
    assert " ".join(arguments) == "psql -U threatreaction -h 127.0.0.1 -p 5432 postgres"
    assert environment == {"PGPASSWORD": FIRST, "PGSSLMODE": "require"}


def error_of(cluster: Cluster, manager: Manager) -> str:
    try:
        with connected(cluster, manager):
            return ""
    except OperationalError as error:
        return str(error)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_without_tls_is_refused(cluster: Cluster, manager: Manager) -> None:
    cluster.execute("ALTER SYSTEM SET ssl = off")
    cluster.execute("SELECT pg_reload_conf()")
    try:
        wait_until(lambda: "server does not support SSL" in error_of(cluster, manager))
    finally:
        cluster.execute("ALTER SYSTEM RESET ssl")
        cluster.execute("SELECT pg_reload_conf()")


def test_pgsslrootcert_makes_it_verify_the_certificate(
    cluster: Cluster, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", certifi.where())  # which has not signed the server's
    assert "certificate verify failed" in error_of(cluster, manager)


@pytest.fixture
def portal(
    databases: Databases, cluster: Cluster, manager: Manager, cloud: Cloud
) -> Iterator[Server]:
    """A server and a worker that open a connection for each request and round."""
    cluster.execute("CREATE DATABASE portal OWNER threatreaction")
    with servers.listening() as (listener, url):
        environment = databases.environment("", url) | cloud.environment
        del environment["DATABASE_URL"]
        environment |= {
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(cluster.port),
            "DATABASE_NAME": "portal",
            "DATABASE_SECRET_ARN": manager.arn,
            "TEST_CONN_MAX_AGE": "0",
            "TEST_AWS_CALLS": str(databases.folder / "database-secret.calls"),
        }
        log = databases.folder / "database-secret.log"
        with shell(environment) as administrator:
            server = Server(url, environment, log, "", shell=administrator)
            assert server.manage("migrate", "-v0").returncode == 0
            server.install(make_license())
            with (
                servers.serving("threatreaction.wsgi", server, listener, ready="/readyz"),
                servers.worker(environment, log.with_suffix(".worker")),
            ):
                yield server
    cluster.execute("DROP DATABASE portal WITH (FORCE)")


def test_a_new_password_fails_no_request(
    portal: Server, cluster: Cluster, manager: Manager, cloud: Cloud
) -> None:
    created = portal.manage("createapiclient", "pipeline", "--scope", "findings:write").stdout
    who = tuple(re.findall(r"^CLIENT_\w+=(.+)$", created, re.M))
    grant = {"grant_type": "client_credentials"}
    token = portal.request("POST", "/oauth/token", data=grant, auth=who).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    stop = threading.Event()
    answers: list[int] = []

    def write(number: int) -> None:
        severity = ("LOW", "MEDIUM", "HIGH", "CRITICAL")[number]
        for turn in itertools.count():
            if stop.is_set():
                return
            rule = {"service": "EC2", "severity": severity, "action": ("BLOCK", "SAVE")[turn % 2]}
            body = {"policies": [rule]}
            answer = portal.request("PUT", "/findings", json=body, headers=bearer)
            answers.append(answer.status_code)
            answers.append(portal.request("GET", "/readyz").status_code)

    def wait_for(count: int, counted: Callable[[], int]) -> None:
        until = counted() + count
        wait_until(lambda: counted() >= until)

    def answered() -> int:
        return len(answers)

    def reads() -> int:
        return cloud.asked.count("GetSecretValue")

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(write, number) for number in range(4)]
        try:
            wait_for(20, answered)
            cluster.change_password(SECOND)  # a rotation changes it here first
            wait_for(4, reads)  # the old one was refused, and is still in the secret
            manager.put(SECOND)
            wait_for(40, answered)
        finally:
            stop.set()
    for one in clients:
        one.result()
    assert set(answers) == {200}
    # Each process has its own role, which allows web nothing else, and one-off tasks the archive.
    calls = Path(portal.environment["TEST_AWS_CALLS"]).read_text().splitlines()
    read = "secretsmanager:GetSecretValue"
    assert set(calls) == {f"{one} {read}" for one in (roles.WEB, roles.WORKER, roles.MAINTENANCE)}
    assert roles.permissions(roles.WEB) == {read}
    of_ecs_exec = {one for one in roles.permissions(roles.MAINTENANCE) if "ssmmessages:" in one}
    archive = {"s3:GetObject", "s3:ListBucket", "s3:PutObject"}
    assert roles.permissions(roles.MAINTENANCE) == {read} | of_ecs_exec | archive
    worker_log = portal.log_path.with_suffix(".worker").read_text()
    assert "Retrying" not in worker_log
    assert "hunter2" not in portal.log + worker_log
