"""What the template creates around the containers of its task definitions, for tests/image.py."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import requests
from psycopg import sql

from license.tests import keys
from tests import aws, postgresql
from tests.balancer import Balancer
from tests.containers import Container
from tests.server import free_port
from tests.task_definitions import Stack

HOST = "portal.example.com"
DATABASE = "threatreaction"


def wait_until(condition: Callable[[], object], *, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@dataclass
class Deployment:
    """What the template creates around the containers of a stack."""

    cloud: aws.Cloud
    stack: Stack
    queue: str
    ip_set: str
    public_key: Path
    socket: str
    port: int

    def container(self, image: str, task: str, name: str, **environment: str) -> Container:
        """Return a container of a task definition. ECS adds credentials to its environment."""
        of_ecs = self.cloud.environment  # and the endpoint of moto
        whole = self.stack.environment(task, name) | of_ecs | environment
        command = self.stack.container(task, name)["Command"]
        volumes = {self.public_key: "/app/public/public-key.pem"}  # of the tests' vendor
        return Container(image, command, whole, volumes)

    def manage(self, image: str, *command: str) -> str:
        """Run a manage.py command as a task, and return its output."""
        one = self.container(image, "MaintenanceTask", "maintenance")
        one.command = ["manage", *command]
        with one as task:
            assert task.wait() == 0, task.log
            return task.log

    @contextmanager
    def web(self, image: str, entrance: Balancer) -> Iterator[tuple[int, Container]]:
        """Start a web container. Yield its port, when it is ready, and the container."""
        port = free_port()
        with self.container(image, "WebTask", "web", PORT=str(port)) as web:
            wait_until(lambda: is_ready(port))
            entrance.register(port)
            yield port, web

    def execute(self, statement: str, *arguments: Any, database: str = DATABASE) -> list[Any]:
        """Run an SQL statement as the superuser, and return its rows."""
        with psycopg.connect(
            host=self.socket,
            port=self.port,
            user=postgresql.SUPERUSER,
            dbname=database,
            autocommit=True,
        ) as connection:
            done = connection.execute(sql.SQL(statement), arguments)
            return done.fetchall() if done.description else []


def is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """Yields a deployment without a database, which a test creates."""
    with (
        pytest.MonkeyPatch.context() as patch,
        aws.cloud() as cloud,
        postgresql.cluster(tls_port=free_port()) as database_url,
    ):
        for name, value in aws.CREDENTIALS.items():
            patch.setenv(name, value)
        url = urlsplit(database_url)
        port = int(parse_qs(url.query)["port"][0])
        password = secrets.token_urlsafe()
        login = json.dumps({"username": DATABASE, "password": password})
        secret = cloud.client("secretsmanager").create_secret(Name="rds", SecretString=login)
        cloud.client("s3").create_bucket(
            Bucket="saved", CreateBucketConfiguration={"LocationConstraint": aws.REGION}
        )
        topic = cloud.client("sns").create_topic(Name="notifications")["TopicArn"]
        queue, ip_set = cloud.queue(), cloud.ip_set("four")
        stack = Stack(
            {
                "AWS::AccountId": keys.ACCOUNT,
                "ArchiveBucket": "archive",
                "AWS::Region": aws.REGION,
                "AWS::StackId": f"arn:aws:cloudformation:{aws.REGION}:{keys.ACCOUNT}:stack/x/1",
                "AWS::StackName": "threatreaction",
                "BlockedIPv4.Arn": ip_set,
                "BlockedIPv6.Arn": cloud.ip_set("six", version=6),
                "Containment": "on",
                "Database.Endpoint.Address": "127.0.0.1",
                "Database.Endpoint.Port": str(port),
                "Database.MasterUserSecret.SecretArn": secret["ARN"],
                "EncryptionKeys": secrets.token_urlsafe(48),
                "LicenseKey": keys.make_license(),
                "LicenseKeySecret": keys.make_license(),
                "MetricsToken": secrets.token_urlsafe(48),
                "Notifications": topic,
                "PortalHost": HOST,
                "Queue": queue,
                "SaveBucket": "saved",
                "SecretKey": secrets.token_urlsafe(48),
            }
        )
        public_key = folder / "public-key.pem"
        public_key.write_bytes(keys.public_pem())
        folder.chmod(0o755)
        socket = "/" + url.path.rpartition("/")[0].lstrip("/")
        made = Deployment(cloud, stack, queue, ip_set, public_key, socket, port)
        made.execute(f"CREATE ROLE {DATABASE} LOGIN PASSWORD '{password}'", database="postgres")
        yield made
