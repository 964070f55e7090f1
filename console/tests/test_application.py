"""The Application page, and the support bundle."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api_auth import Caller
from accounts.models import EventKind, SecurityEvent
from actions import fill, heartbeat
from actions.fill import Level
from actions.heartbeat import Heart, Loop
from actions.models import Attempt, MemberRole, Reaction, State, Trip
from actions.tests.attacks import arrive, attack, set_action, undo
from console import application, database, support
from console.lapse import lapse
from findings import policy
from findings.models import Finding, PolicyChange, Target, ThreatPolicy
from findings.policy import Setting
from findings.tests.findings import BRUTE_FORCE
from license.models import License
from tests import documented
from tests.server import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # pages

PLANTED = "correct-horse-battery-staple"
STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/portal/1f-2e"


def shown(client: Client) -> str:
    answer = client.get("/application")
    assert answer.status_code == 200
    page = unescape(re.sub(r"<[^>]+>", " ", answer.content.decode().partition("<main")[2]))
    return re.sub(r"\s+", " ", page)


def fact(page: str, label: str) -> str:
    return page.partition(f" {label} ")[2][:60]


@pytest.mark.every_database
def test_an_empty_portal_shows_what_runs(viewer_client: Client) -> None:
    page = shown(viewer_client)
    found = database.database()
    assert f"{found.engine} {found.version}" in page
    assert found.version[0].isdigit()
    assert found.size > 100_000
    assert fact(page, "Version").startswith("0.1.0")
    assert fact(page, "Commit").startswith(application.commit()[:12])
    assert "STACK_ID is not set" in page
    assert "Carries out actions Never" in page
    assert "Dry run" in page
    assert "Nothing: nobody has changed anything." in page
    assert "Findings processed 0" in page


def test_it_shows_what_the_workers_and_the_environment_say(
    viewer_client: Client, settings: Settings, valid_license: License
) -> None:
    settings.STACK_ID = STACK_ID
    settings.CONTAINMENT = "on"
    settings.FINDINGS_QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/findings"
    now = timezone.now()
    Heart(Loop.ACT).beat()
    cache.set("worker-heartbeat-receive", (now - timedelta(hours=2)).timestamp(), timeout=None)
    heartbeat.note_worker(version="0.0.9", works=True, now=now - timedelta(hours=25))
    heartbeat.note_worker(version="0.1.0", works=False, now=now)
    cache.set("worker-queue", (now.timestamp(), 3725.4, 12), timeout=None)
    fill.note("BLOCK_IP_SETS", [Level("IP sets", "", "eu-central-1", 4, 9000, 10_000)])
    settings.BLOCK_IP_SETS = ["arn"]
    for number in range(25):
        MemberRole.objects.create(
            account_id=f"{number:012}", problem=f"<b>no {number}", tried_at=now
        )
    MemberRole.objects.create(account_id="210987654321", answered_at=now)
    page = shown(viewer_client)
    assert "0.0.9" not in page
    for told in (
        "Stack portal", "Region eu-central-1", "AWS account 123456789012", "On CONTAINMENT",
        "UTC Silent", "Messages that wait in the queue 12", "1:02:05",
        "WAF IP sets BLOCK_IP_SETS Set up", "Prefix lists BLOCK_PREFIX_LISTS Not set up",
        "IP sets in eu-central-1, IPv4 9000 of 10000 Nearly full", "Answer 1 Do not answer 25",
        "0.1.0, ", "Does not work", "<b>no 0", "And 5 more.", "Writes are enabled until",
    ):  # fmt: skip
        assert told in page, told


@pytest.mark.parametrize(
    ("said", "known"),
    [("0123456789abcdef" * 2, True), (f"{'a' * 40}-dirty", True), (PLANTED, False)],
)
def test_the_image_says_its_commit(settings: Settings, said: str, known: bool) -> None:
    settings.COMMIT = said
    application.commit.cache_clear()
    try:
        assert application.commit() == (said if known else "")
    finally:
        application.commit.cache_clear()


def test_a_dry_run_beside_a_worker_that_acts_is_told(
    viewer_client: Client, settings: Settings
) -> None:
    settings.CONTAINMENT = "on"
    Heart(Loop.ACT).beat()
    settings.CONTAINMENT = "dry-run"
    assert "A worker has it on, and carries out actions." in shown(viewer_client)


@pytest.mark.every_database
def test_tables_are_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    table = ThreatPolicy._meta.db_table
    for number in range(5):
        ThreatPolicy.objects.create(finding_type=f"A:B/C{number}", action="BLOCK")
    [exact] = database.counted([table])
    assert (exact.rows, exact.is_estimate) == (5, False)
    monkeypatch.setattr(database, "EXACT", 3)
    [estimate] = database.counted([table])
    assert estimate.is_estimate
    assert estimate.rows >= 3
    largest = database.largest(5)
    assert len(largest) == 5
    assert {one.name for one in largest} <= {one.name for one in database.every()}


@pytest.mark.every_database
def test_what_a_lapse_would_change_is_counted(
    operator: User, operator_client: Client, valid_license: License, settings: Settings
) -> None:
    settings.CONTAINMENT = "on"
    settings.BLOCK_PREFIX_LISTS = ["arn:aws:ec2:eu-central-1:123456789012:prefix-list/pl-1"]
    now = timezone.now()
    policy.set_policies(
        [Setting(Target("", BRUTE_FORCE, ""), "BLOCK")],
        by=Caller(name="a shell"),
        source=PolicyChange.Source.COMMAND,
        at=now,
    )
    seen = {"eventLastSeen": now.isoformat()}
    arrive(*(attack(n, f"81.2.69.{n}", service=seen) for n in (1, 2)))
    blocks = Reaction.objects.filter(kind="BLOCK")
    assert blocks.settle(State.DONE, at=now, outcome="") == 2
    first = blocks.first()
    assert first
    assert undo(first, operator)
    pk = Finding.objects.values_list("pk", flat=True)[0]
    for action in ("SAVE", "REPORT"):
        body = {"policies": [{"service": "EC2", "action": action}]}
        answer = operator_client.put("/findings", body, content_type="application/json")
        assert answer.status_code == 200
    triage = {"status": "benign", "initial-status": "new", "note": "Ours"}
    operator_client.post(f"/events/{pk}/triage", triage)
    Trip.objects.create(tripped_at=now, limit=1, reset_at=now, reset_by=operator)
    for name, detail in (("ada", "added to x"), ("ada", "removed from x"), ("", "added to x")):
        SecurityEvent.objects.create(
            at=now, kind=EventKind.ROLES_CHANGED, by_name=name, detail=detail
        )
    found = lapse(now)
    assert {line.what: line.count for line in found.refused} == {
        "Changes of the policy (Command)": 1,
        "Changes of the policy (Threats page)": 2,
        "Unblock by hand or by approval": 1,
        "Findings triaged": 1,
        "Resets of the circuit breaker": 1,
        "Roles given to people": 1,
    }
    assert found.total == 7
    goes_on = {line.what: line.count for line in found.goes_on}
    assert goes_on["Findings processed"] == 2
    assert goes_on["Containments by the policy"] == 2
    assert goes_on["Blocks lifted at their end"] == 0
    page = shown(operator_client)
    assert "Unblock by hand or by approval 1" in page
    assert "Containments by the policy 2" in page
    assert lapse(now + timedelta(days=31)).refused == []


def test_who_has_no_role_sees_nothing(stranger_client: Client) -> None:
    assert stranger_client.get("/application").status_code == 403


@pytest.mark.parametrize("client", ["stranger_client", "viewer_client", "operator_client"])
def test_only_administrators_download_the_bundle(
    client: str, request: pytest.FixtureRequest
) -> None:
    assert request.getfixturevalue(client).get("/application/support-bundle").status_code == 403


@pytest.mark.every_database
def test_the_bundle_holds_what_support_needs(
    administrator_client: Client, settings: Settings, expired_license: License
) -> None:
    settings.STACK_ID = STACK_ID
    arrive(attack(1, "81.2.69.1"))
    answer = administrator_client.get("/application/support-bundle")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert re.fullmatch(
        r'attachment; filename="threatreaction-support-\d{8}T\d{6}Z.json"',
        answer.headers["Content-Disposition"],
    )
    assert "no-store" in answer.headers["Cache-Control"]
    found = answer.json()
    assert found["stack"] == {"name": "portal", "region": "eu-central-1"}
    assert found["versions"]["packages"]["Django"] == found["versions"]["django"]
    assert found["database"]["tables"]["findings_finding"]["rows"] == 1
    assert found["migrations"]["pending"] == []
    assert any(one.startswith("actions.") for one in found["migrations"]["last_applied"])
    assert found["license"]["status"] == "expired"
    assert found["settings"]["CONTAINMENT"] == "dry-run"
    assert {"id", "level"} == set(found["checks"][0])
    assert "81.2.69.1" not in answer.content.decode()


def test_the_bundle_holds_the_last_errors() -> None:
    set_action("BLOCK")
    arrive(attack(1, "81.2.69.1"))
    reaction = Reaction.objects.get(kind="BLOCK")
    now = timezone.now()
    for number in range(60):
        Attempt.objects.create(reaction=reaction, at=now, succeeded=False, answer=f"no {number}")
    Attempt.objects.create(reaction=reaction, at=now, succeeded=True, answer="Yes")
    errors = support.bundle(now)["errors"]
    assert [one["answer"] for one in errors] == [f"no {number}" for number in range(59, 9, -1)]
    assert errors[0]["action"] == "BLOCK"


def test_no_secret_is_in_the_bundle(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = documented.listed_in((ROOT / "docs/operations.md").read_text())
    from_aws = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    for name in variables | from_aws | {"HTTPS_PROXY"}:
        monkeypatch.setenv(name, PLANTED)
        monkeypatch.setenv(f"{name}_FILE", PLANTED)
    # Settings that a variable without their name sets.
    derived = {"EMAIL_HOST", "EMAIL_HOST_PASSWORD", "EMAIL_HOST_USER", "SECURITY_TXT_URL"}
    planted = set()
    for name in (variables | derived) - {*support.SHOWN, "DEBUG"}:
        value = getattr(settings, name, None)
        if name in derived or isinstance(value, str | list):
            setattr(settings, name, [PLANTED] if isinstance(value, list) else PLANTED)
            planted.add(name)
    assert planted >= {
        "SECRET_KEY", "ENCRYPTION_KEYS", "EMAIL_HOST_PASSWORD", "METRICS_TOKEN", "UPDATE_URL",
        "MEMBER_EXTERNAL_ID", "LICENSE_KEY", "OIDC_SERVER_URL", "FINDINGS_QUEUE_URL",
    }  # fmt: skip
    provider = {"openid_connect": {"APPS": [{"secret": PLANTED, "client_id": PLANTED}]}}
    settings.SOCIALACCOUNT_PROVIDERS = provider
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", PLANTED)
    text = json.dumps(support.bundle(timezone.now()))
    assert PLANTED not in text
    assert '"METRICS_TOKEN": true' in text


def test_no_setting_that_may_hold_a_secret_is_shown() -> None:
    secret = re.compile("SECRET|TOKEN|KEY|PASSWORD|URL|EXTERNAL|DATABASE|EMAIL|OIDC")
    assert [name for name in support.SHOWN if secret.search(name)] == []
