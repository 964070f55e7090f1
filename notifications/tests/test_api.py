"""GET and PUT /notifications."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from license.models import License
from notifications import configuration
from notifications.destination_settings import DestinationSettings
from notifications.destinations import by_apprise, new_secret
from notifications.models import Delivery, Destination, NotificationChange, Rule
from notifications.tests.telling import PROGRAM
from storage import journal

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # requests and answers

URL = "https://soc.example.com/services/T0/secret-path"
SOC = {"name": "SOC", "kind": "webhook", "settings": {"url": URL}}
RULE = {"name": "High", "severity": "HIGH", "destinations": ["SOC"]}


@pytest.fixture
def pipeline(program: Callable[[str], Client], valid_license: License) -> Client:
    return program("notifications:read notifications:write")


def put(client: Client, body: Any, **headers: str) -> Any:
    return client.put("/notifications", json.dumps(body), "application/json", headers=headers)


def test_what_was_put_is_got_without_secrets_and_changes_nothing_again(pipeline: Client) -> None:
    answer = put(pipeline, {"destinations": [SOC], "rules": [RULE]})
    assert answer.status_code == 200, answer.content
    secret = answer.json()["secrets"]["SOC"]
    got = pipeline.get("/notifications")
    assert got["ETag"] == answer["ETag"]
    assert secret not in got.content.decode()
    assert "secret-path" not in got.content.decode()
    stored = json.dumps(Destination.objects.get().settings)
    assert secret not in stored and "secret-path" not in stored
    logged = json.dumps(list(NotificationChange.objects.values("before", "after")))
    assert secret not in logged and "secret-path" not in logged
    [destination], [rule] = got.json()["destinations"], got.json()["rules"]
    again = {
        "destinations": [{key: destination[key] for key in ("name", "kind", "settings")}],
        "rules": [rule],
    }
    answer = put(pipeline, again, **{"If-Match": got["ETag"]})
    assert answer.json() == {"changed_rules": [], "changed_destinations": [], "secrets": {}}
    assert Destination.objects.get().open_settings() == {"url": URL, "secret": secret}
    assert NotificationChange.objects.count() == 2
    assert journal.verify(NotificationChange).broken is None


@pytest.mark.every_database  # two writers
def test_a_stale_etag_changes_nothing(pipeline: Client) -> None:
    first = put(pipeline, {"destinations": [SOC]})
    changed = SOC | {"settings": {"secret": new_secret()}}
    second = put(pipeline, {"destinations": [changed]}, **{"If-Match": first["ETag"]})
    assert second["ETag"] != first["ETag"]  # another secret is another state
    refused = put(pipeline, {"rules": [RULE]}, **{"If-Match": first["ETag"]})
    assert (refused.status_code, refused["ETag"]) == (412, second["ETag"])
    assert refused.json()["code"] == "stale_notifications"
    assert not Rule.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"rules": [RULE | {"destinations": ["nobody"]}]}, "/rules/0/destinations"),
        ({"rules": [RULE | {"destinations": []}]}, "/rules/0/destinations"),
        ({"rules": [RULE | {"time_zone": "Mars/Base"}]}, "/rules/0/time_zone"),
        ({"rules": [RULE | {"time_zone": "../../etc/passwd"}]}, "/rules/0/time_zone"),
        ({"rules": [RULE | {"quiet_from": "22:00"}]}, "/rules/0/quiet_to"),
        ({"rules": [RULE | {"daily_at": "8"}]}, "/rules/0/daily_at"),
        ({"rules": [RULE | {"types": ["a\0"]}]}, "/rules/0/types"),
        ({"rules": [RULE | {"trigger": "breaker"}]}, "/rules/0/trigger"),
        ({"rules": [RULE | {"each": True, "when": "daily"}]}, "/rules/0/each"),
        ({"rules": [RULE | {"name": " "}]}, "/rules/0/name"),
        ({"rules": [RULE, RULE]}, "/rules"),
        ({"destinations": [SOC, SOC | {"name": "b", "kind": "fax"}]}, "/destinations/1"),
        (
            {"destinations": [SOC | {"settings": {"url": "http://169.254.169.254/"}}]},
            "/destinations/0/settings/url",
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_changed(
    pipeline: Client, body: Any, pointer: str
) -> None:
    body = {"destinations": [SOC]} | body
    answer = put(pipeline, body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Destination.objects.exists()


@pytest.mark.every_database  # deletes related rows
def test_removing_keeps_the_log_and_a_destination_in_use_stays(pipeline: Client) -> None:
    put(pipeline, {"destinations": [SOC], "rules": [RULE]})
    gone = {"name": "SOC", "present": False}
    refused = put(pipeline, {"destinations": [gone]})
    assert refused.status_code == 422
    assert "High" in refused.json()["errors"][0]["detail"]
    answer = put(pipeline, {"destinations": [gone], "rules": [{"name": "High", "present": False}]})
    assert answer.json()["changed_destinations"] == ["SOC"]
    assert pipeline.get("/notifications").json() == {"rules": [], "destinations": []}
    assert Destination.objects.get().settings == {}
    put(pipeline, {"destinations": [SOC]})  # the name is free again
    assert not Delivery.objects.exists()


def test_roles_and_scopes_decide(
    program: Callable[[str], Client],
    valid_license: License,
    viewer_client: Client,
    operator_client: Client,
    administrator_client: Client,
) -> None:
    assert put(program("notifications:read"), {}).status_code == 403
    assert program("findings:read").get("/notifications").status_code == 403
    assert viewer_client.get("/notifications").status_code == 200
    assert put(viewer_client, {}).status_code == 403
    assert put(operator_client, {"destinations": [SOC]}).status_code == 403
    assert put(administrator_client, {"destinations": [SOC]}).status_code == 200
    assert put(operator_client, {"rules": [RULE]}).status_code == 200


@pytest.mark.every_database  # locks
def test_secrets_survive_a_rotation_of_the_encryption_keys(
    pipeline: Client, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS = ["old"]
    put(pipeline, {"destinations": [SOC]})
    settings.ENCRYPTION_KEYS = ["new", "old"]
    call_command("rotateencryptionkey")
    settings.ENCRYPTION_KEYS = ["new"]
    assert Destination.objects.get().open_settings()["url"] == URL


def test_a_repeated_change_does_not_start_apprise(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Destination(name="Chat", kind="apprise")
    one.seal({"url": "ntfys://ntfy.example.com/topic"})
    one.save()
    monkeypatch.setattr(by_apprise, "_run", None)  # an error if it is called
    same = DestinationSettings("apprise", {"url": "ntfys://ntfy.example.com/topic "})
    for wanted in (same, DestinationSettings("apprise", {})):
        changes = configuration.set_notifications(
            rules={}, destinations={"Chat": wanted}, by=PROGRAM, at=timezone.now()
        )
        assert changes.changed == []
