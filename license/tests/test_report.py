"""`manage.py license --report`, and the sums of refused writes in it."""

from __future__ import annotations

import io
import json
import runpy
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from conftest import install
from license import refused_writes
from license.models import License, RefusedWrites
from license.tests.keys import make_license

pytestmark = pytest.mark.django_db


def report(*options: str) -> tuple[str, int]:
    out, code = io.StringIO(), 0
    try:
        call_command("license", "--report", *options, stdout=out)
    except SystemExit as ended:
        code = int(str(ended.code))
    return out.getvalue(), code


def put(client: Client) -> Any:
    return client.put("/findings", "{}", content_type="application/json")


def sums() -> list[tuple[str, str, int]]:
    return list(RefusedWrites.objects.order_by("pk").values_list("code", "view_name", "count"))


def test_the_report_says_what_an_auditor_asks_and_never_the_key(
    expired_license: License, operator_client: Client
) -> None:
    renewal = make_license(jti="renewal", begins=timedelta(days=1))
    install(renewal)
    assert put(operator_client).status_code == 403
    text, code = report("--json")
    found = json.loads(text)
    assert code == 2
    assert found["status"]["status"] == "expired"
    assert found["status"]["reason"].startswith("The license expired at")
    newest, oldest = found["history"]
    assert newest["license_id"] == "renewal"
    assert newest["code"] == "license_not_yet_valid"
    assert (oldest["code"], oldest["installed_from"]) == ("license_expired", "command")
    assert newest.keys() >= {"plan", "not_before", "expires_at", "installed_at", "installed_by"}
    gates = {one["view_name"]: one for one in found["gates"]}
    (refused,) = found["refused_writes"]
    assert gates[refused["view_name"]]["gated"]
    assert not gates["license:page"]["gated"]
    assert (refused["code"], refused["total"]) == ("license_expired", 1)
    assert {one["table"] for one in found["journals"]} >= {
        "license_license",
        "license_seenrevocations",
        "findings_policychange",
    }
    lines, code = report()
    assert code == 2
    for word in ("renewal", "license_not_yet_valid", "/license", "exempt", refused["view_name"]):
        assert word in lines
    for said in (text, lines):
        assert renewal not in said
        assert renewal.split(".")[2] not in said


@pytest.mark.one_database  # texts
def test_with_a_valid_license_the_report_exits_with_0_and_names_no_refusals(
    valid_license: License,
) -> None:
    text, code = report()
    assert code == 0
    assert "Refused writes\n\tnone" in text


def test_a_flood_of_refused_writes_is_counted_in_few_writes_and_rows(
    expired_license: License, operator_client: Client
) -> None:
    for _ in range(3):
        put(operator_client)
    operator_client.post("/threats", {})
    (first,) = sums()
    assert first[2] == 1
    refused_writes.tally.store(at_once=True)
    refused_writes.tally.store(at_once=True)
    assert sorted(count for _, _, count in sums()) == [1, 3]


@pytest.mark.one_database  # texts
def test_routes_and_reasons_are_those_of_the_portal(
    expired_license: License, operator_client: Client
) -> None:
    for number in range(20):
        operator_client.post(f"/nowhere/{number}")
        operator_client.post(f"/actions/{number}/undo")
        operator_client.post(f"/events/{number}", {"status": "x" * number})
    refused_writes.tally.store(at_once=True)
    assert len(sums()) <= 2


def test_a_write_is_refused_when_it_cannot_be_counted(
    expired_license: License, operator_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE license_refusedwrites RENAME TO gone")
    answer = put(operator_client)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("license-expired")
    assert "Refused writes were not counted." in caplog.text
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gone RENAME TO license_refusedwrites")
    refused_writes.tally.store(at_once=True)  # they were kept
    assert [count for _, _, count in sums()] == [1]


def test_a_process_that_ends_stores_what_it_has_counted(
    expired_license: License, operator_client: Client
) -> None:
    for _ in range(2):
        put(operator_client)
    config = runpy.run_path(str(settings.BASE_DIR / "gunicorn.conf.py"))
    config["worker_exit"](None, None)
    assert [count for _, _, count in sums()] == [2]
