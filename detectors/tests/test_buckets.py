"""Registering buckets on the page and by the API, and what the pages tell."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from conftest import _browser as browser
from detectors import buckets, folding, overview
from detectors.models import Bucket, BucketChange, Sum
from detectors.tests.taking import many, take
from detectors.tests.traffic import NOW, bucket, record, role, seconds, user
from findings.models import Finding
from findings.tests.api import assert_problem, pointers

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,  # pages and answers
]


def put(client: Client, *some: dict[str, Any]) -> Any:
    body = json.dumps({"buckets": some})
    return client.put("/buckets", body, content_type="application/json")


def get(client: Client) -> Any:
    return client.get("/buckets", headers={"Accept": "application/json"})


HTML = {"Accept": "text/html"}


@pytest.fixture
def oscar(operator: Any) -> Client:
    return browser(operator)


@pytest.fixture
def vera(viewer: Any) -> Client:
    return browser(viewer)


def test_an_operator_registers_changes_and_removes_a_bucket(oscar: Client) -> None:
    assert oscar.post("/buckets/register", {"name": "s3://invoices/", "sensitivity": "HIGH"})
    form = {"sensitivity": "LOW", "is_canary": "on", "allowed": " arn:aws:iam::*:role/b \n\n"}
    oscar.post("/buckets/of/invoices/change", form)
    stored = Bucket.objects.get()
    assert (stored.name, stored.sensitivity, stored.is_canary) == ("invoices", "LOW", True)
    assert stored.allowed == "arn:aws:iam::*:role/b"
    oscar.post("/buckets/of/invoices/remove")
    assert not Bucket.objects.exists()
    log = BucketChange.objects.order_by("pk")
    done = ["registered", "changed", "removed"]
    assert [str(one) for one in log] == [f"invoices {one}" for one in done]
    assert {one.changed_by_name for one in log} == {"oscar"}
    assert "invoices" in oscar.get("/buckets", headers=HTML).content.decode()


@pytest.mark.parametrize(
    "name",
    ["", "ab", "Invoices", "a" * 64, "-abc", "a..b", "192.168.5.4", "xn--abc", "a-s3alias", "a_b"],
)  # fmt: skip
def test_names_that_s3_does_not_allow_are_refused(oscar: Client, name: str) -> None:
    answer = oscar.post("/buckets/register", {"name": name, "sensitivity": "NORMAL"})
    assert answer.status_code == 200
    assert b'role="alert"' in answer.content
    assert pointers(put(oscar, {"name": "fine"}, {"name": name}))[0] == "/buckets/1/name"
    assert not Bucket.objects.exists()


@pytest.mark.parametrize(
    "pattern", ["*", "service *", "tag a", "**?", "x" * 301, "a\u0007b", "a\nb"]
)
def test_patterns_that_allow_everyone_or_cannot_be_read_are_refused(
    oscar: Client, pattern: str
) -> None:
    answer = put(oscar, {"name": "fine", "allowed": [pattern]})
    assert pointers(answer)[0].startswith("/buckets/0/allowed")


def test_the_api_lists_what_it_sets_and_the_same_again_changes_nothing(oscar: Client) -> None:
    wanted = {"name": "invoices", "sensitivity": "HIGH", "allowed": ["arn:a", "arn:b"]}
    assert put(oscar, wanted).json() == {"changed": ["invoices"], "unchanged": 0}
    assert put(oscar, wanted).json() == {"changed": [], "unchanged": 1}
    [listed] = get(oscar).json()["buckets"]
    assert listed | wanted == listed
    assert (listed["state"], listed["last_event_at"]) == ("Waiting for events", None)
    assert put(oscar, {"name": "invoices", "registered": False}).json()["changed"] == ["invoices"]
    assert get(oscar).json() == {"buckets": []}


@pytest.mark.every_database  # two writers
def test_a_change_of_what_somebody_else_has_changed_is_refused(oscar: Client) -> None:
    read = get(oscar)["ETag"]
    assert put(oscar, {"name": "invoices"})["ETag"] == get(oscar)["ETag"] != read
    for etag, status in ((read, 412), (get(oscar)["ETag"], 200), ("*", 200)):
        body = json.dumps({"buckets": [{"name": f"b-{status}", "sensitivity": "LOW"}]})
        headers = {"If-Match": etag}
        answer = oscar.put("/buckets", body, content_type="application/json", headers=headers)
        assert answer.status_code == status
        assert answer["ETag"] == get(oscar)["ETag"]
    assert not Bucket.objects.filter(name="b-412").exists()


def test_floors_and_canary_keys_are_set_by_the_page_and_the_api_alike(oscar: Client) -> None:
    wanted = {"name": "invoices", "canary_keys": ["a.txt", "b/*"], "floors": {"delete": 500}}
    assert put(oscar, wanted).status_code == 200
    [listed] = get(oscar).json()["buckets"]
    assert listed["canary_keys"] == wanted["canary_keys"]
    assert {key: one for key, one in listed["floors"].items() if one} == {"delete": 500}
    page = oscar.get("/buckets/of/invoices").content.decode()
    assert 'name="floor_delete" value="500"' in page
    form = {"sensitivity": "NORMAL", "canary_keys": "a.txt\nb/*", "floor_delete": "500"}
    oscar.post("/buckets/of/invoices/change", form)
    assert BucketChange.objects.count() == 1  # nothing has changed
    oscar.post("/buckets/of/invoices/change", form | {"floor_delete": "", "floor_read": "7"})
    assert Bucket.objects.get().floors == {"read": 7}
    for wrong in ({"floors": {"read": 0}}, {"floors": {"other": 1}}, {"canary_keys": ["*"]}):
        assert put(oscar, {"name": "invoices"} | wrong).status_code == 422
    answer = oscar.post("/buckets/of/invoices/change", form | {"canary_keys": "*"})
    assert b'role="alert"' in answer.content


@pytest.mark.every_database  # constraints
def test_a_bucket_that_is_listed_twice_is_refused(oscar: Client) -> None:
    twice: list[dict[str, Any]] = [{"name": "invoices"}, {"name": "invoices", "registered": False}]
    assert pointers(put(oscar, *twice)) == ["/buckets"]
    assert not Bucket.objects.exists()


def test_a_viewer_reads_and_changes_nothing(vera: Client) -> None:
    bucket()
    assert get(vera).status_code == vera.get("/buckets/of/invoices").status_code == 200
    assert b"Register</button>" not in vera.get("/buckets", headers=HTML).content
    assert_problem(put(vera, {"name": "other"}), 403, "permission_denied")
    for path in ("register", "of/invoices/change", "of/invoices/remove"):
        assert vera.post(f"/buckets/{path}", {"name": "other"}).status_code == 403
    assert Bucket.objects.get().name == "invoices"


def test_there_is_a_limit(oscar: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "BUCKETS_MAX", 2)
    bucket("first")
    assert pointers(put(oscar, {"name": "second"}, {"name": "third"})) == ["/buckets"]
    assert Bucket.objects.count() == 1


@pytest.mark.every_database  # sums by minute and actor
def test_the_page_shows_actors_charts_findings_and_names_as_text(oscar: Client) -> None:
    bucket()
    with time_machine.travel(NOW):
        take(*many(120), record("PutObject", by=role("<script>alert(1)</script>")))
        text = oscar.get("/buckets/of/invoices").content.decode()
        listed = oscar.get("/buckets", headers=HTML).content.decode()
    assert "user/eve" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert "Objects read: 120" in text
    assert "At most 121 events a minute" in listed
    event = f'href="/events/{Finding.objects.get().pk}"'
    assert event in text
    assert event in listed
    assert "Objects deleted: none" in text


@pytest.mark.every_database  # sums by hour
def test_the_preview_counts_what_each_sensitivity_would_have_raised() -> None:
    of = bucket()
    for days, count in ((9, 150), (6, 450), (3, 60)):
        at = NOW - timedelta(days=days)
        take(*many(count, at=at, by=user(f"user{days}")), at=at)
    at = NOW - timedelta(days=12)
    take(*many(60, at=at, by={"type": "AWSAccount", "accountId": "anonymous"}), at=at)  # a stranger
    folding.fold(seconds(NOW))
    assert Sum.objects.filter(grain=3600).count() == 4
    assert overview.preview(of, seconds(NOW)) == {"LOW": 1, "NORMAL": 4, "HIGH": 4}
    of.floors = {"read": 2000}  # 200 in a minute, and 100 for who is new
    assert overview.preview(of, seconds(NOW)) == {"LOW": 2, "NORMAL": 2, "HIGH": 2}


@pytest.mark.every_database  # sums by minute
def test_the_band_of_a_chart_depends_on_the_sensitivity() -> None:
    of = bucket(sensitivity="HIGH")
    at = NOW - timedelta(days=2)
    take(*many(60, at=at), at=at)
    high = overview.charts(of, seconds(NOW))[0].usual
    of.sensitivity = "LOW"
    assert overview.charts(of, seconds(NOW))[0].usual > 2 * high


@pytest.mark.every_database  # deletes related rows
def test_a_bucket_that_is_removed_takes_its_sums_along() -> None:
    of = bucket()
    take(*many(3))
    of.delete()
    assert not Sum.objects.exists()
