"""Health checks of load balancers."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from serving import health
from tests import server as servers
from tests.databases import Databases

NO_DATABASE = "sqlite:////nowhere/at/all.sqlite3"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_stranger_learns_that_all_is_well(path: str) -> None:
    response = Client().get(path)
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_another_method_is_refused_in_words(path: str) -> None:
    refused = Client().post(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert refused.json()["code"] == "method_not_allowed"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_load_balancer_asks_by_address_and_over_plain_http(path: str, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert Client(headers={"host": "10.0.0.7:8000"}).get(path).status_code == 200


@pytest.mark.django_db
def test_a_database_that_lacks_a_migration_is_not_ready_until_it_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "migrations", health.Migrations())  # of a process that has started
    applied = MigrationRecorder.Migration.objects.filter(app="actions").latest("pk")
    applied.delete()
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["migrations"]) == (503, "pending")
    assert Client().get("/healthz").status_code == 200
    MigrationRecorder(connection).record_applied("actions", applied.name)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["migrations"]) == (200, "ok")


@pytest.mark.django_db
def test_once_migrated_the_migrations_are_not_asked_again(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    Client().get("/readyz")
    with django_assert_num_queries(1):
        assert Client().get("/readyz").status_code == 200


def test_the_process_is_alive_without_asking_the_database() -> None:
    assert Client().get("/healthz").status_code == 200  # pytest-django would refuse a query


def test_without_a_database_it_is_alive_and_not_ready(databases: Databases) -> None:
    with servers.running(databases, DATABASE_URL=NO_DATABASE) as server:
        assert server.request("GET", "/healthz").status_code == 200
        answer = server.request("GET", "/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "database": "unavailable"}
        assert "no-store" in answer.headers["Cache-Control"]
