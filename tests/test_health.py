"""Health checks of load balancers."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests import server as servers
from tests.server import Databases

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


def test_the_process_is_alive_without_asking_the_database() -> None:
    assert Client().get("/healthz").status_code == 200  # pytest-django would refuse a query


def test_without_a_database_it_is_alive_and_not_ready(databases: Databases) -> None:
    with servers.running(databases, DATABASE_URL=NO_DATABASE) as server:
        assert server.request("GET", "/healthz").status_code == 200
        answer = server.request("GET", "/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "database": "unavailable"}
        assert "no-store" in answer.headers["Cache-Control"]
