"""What operators and programs request: on an event, an entity, many events, and POST /actions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import breaker, heartbeat
from actions.execution import carry_out_due
from actions.heartbeat import Heart, Loop
from actions.models import Allowance, Reaction
from actions.tests.attacks import STOLEN, arrive, attack, set_action, stolen
from findings.models import Entity, Finding
from license.models import License
from tests.aws import Cloud

HTML = {"Accept": "text/html"}
ADDRESS = "81.2.0.2"  # of attack(1)
KEY = "AKIAIOSFODNN7EXAMPLE"

Program = Callable[[str], Client]


@pytest.fixture(autouse=True)
def _acts(settings: Settings, db: None) -> None:
    settings.CONTAINMENT = "on"


def event(*findings: Any) -> str:
    """Lets the findings arrive, which are only reported. Returns the path to act on the last."""
    arrive(*findings or [attack(1)])
    return f"/actions/by-hand/events/{Finding.objects.latest('pk').pk}"


def entity(name: str) -> str:
    return f"/actions/by-hand/entities/{Entity.objects.get(name=name).pk}"


def ask(client: Client, path: str, what: str, *, lasts: str = "policy", reason: str = "Bad") -> str:
    said = {"what": what, "lasts": lasts, "reason": reason}
    answer = client.post(path, said, follow=True, headers=HTML)
    assert answer.status_code == 200
    return answer.content.decode()


def days() -> float | None:
    block = Reaction.objects.get(kind="BLOCK")
    return (block.ends_at - block.decided_at) / timedelta(days=1) if block.ends_at else None


@pytest.mark.parametrize(("lasts", "lasted"), [("policy", 7), ("1d", 1), ("", None)])
def test_a_block_by_hand_goes_the_way_of_all_others(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator_client: Client,
    valid_license: License, lasts: str, lasted: float | None,
) -> None:  # fmt: skip
    path = event()
    told = ask(operator_client, path, f"BLOCK:address:{ADDRESS}", lasts=lasts)
    assert "Block 81.2.0.2 was requested" in told
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {f"{ADDRESS}/32"}
    block = Reaction.objects.get()
    assert block.finding == Finding.objects.get()
    assert (block.why, block.requested_by_name) == ("Requested by oscar: Bad", "oscar")
    assert days() == lasted
    shown = operator_client.get(f"/entities/{Entity.objects.get(name=ADDRESS).pk}")
    assert "Unblock 81.2.0.2" in shown.content.decode()
    assert "Unblock" in ask(operator_client, entity(ADDRESS), f"UNBLOCK:address:{ADDRESS}")
    carry_out_due(session)
    assert cloud.addresses(ip_set) == set()


def test_a_request_without_a_reason_is_asked_for_it_and_keeps_what_was_typed(
    operator_client: Client, valid_license: License
) -> None:
    told = ask(operator_client, event(), f"BLOCK:address:{ADDRESS}", lasts="30d", reason="")
    assert "Nothing was requested yet" in told
    assert '<option value="30d" selected>' in told
    assert not Reaction.objects.exists()


@pytest.mark.parametrize("what", ["BLOCK:address:9.9.9.9", "SAVE:address:81.2.0.2", "x", ""])
def test_only_what_is_offered_can_be_requested(
    operator_client: Client, valid_license: License, what: str
) -> None:
    assert "Nothing was requested yet" in ask(operator_client, event(), what)
    assert not Reaction.objects.exists()


def test_the_safeguards_and_the_breaker_hold_for_people_too(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator_client: Client,
    valid_license: License, settings: Settings,
) -> None:  # fmt: skip
    settings.NEVER_BLOCK = [f"{ADDRESS}/32"]
    told = ask(operator_client, event(), f"BLOCK:address:{ADDRESS}")
    assert "was prevented. The address is in 81.2.0.2/32, which is in NEVER_BLOCK" in told
    settings.MAX_CONTAINMENTS_PER_HOUR = 1
    ask(operator_client, event(attack(2)), "BLOCK:address:81.2.0.3")
    ask(operator_client, event(attack(3)), "BLOCK:address:81.2.0.4")
    carry_out_due(session)
    assert breaker.tripped()
    assert cloud.addresses(ip_set) == {"81.2.0.3/32"}


def test_an_own_address_is_spared_whatever_page_asks(
    operator_client: Client, valid_license: License
) -> None:
    instance = {"networkInterfaces": [{"publicIp": "81.2.69.7"}]}
    own = {"instanceDetails": {"instanceId": "i-1"} | instance}
    event(attack(1, "81.2.69.7", resource=own))
    told = ask(operator_client, entity("81.2.69.7"), "BLOCK:address:81.2.69.7")
    assert "one of the account" in told
    assert Reaction.objects.get().state == "prevented"


def test_a_credential_is_revoked_in_the_account_of_its_newest_finding(
    operator_client: Client, valid_license: License, settings: Settings
) -> None:
    settings.AWS_ACCOUNT_ID = "123456789012"
    event(stolen(KEY, number=1), stolen(KEY, number=2))
    ask(operator_client, entity(KEY), f"REVOKE:access key:{KEY}")
    revoke = Reaction.objects.get()
    assert (revoke.state, revoke.ends_at) == ("pending", None)
    assert revoke.finding == Finding.objects.latest("pk")


def test_allow_by_hand_until_it_ends(operator_client: Client, valid_license: License) -> None:
    path = event()
    for where, told in ((path, "was added to"), (path, "is already on"), (entity(ADDRESS), "was")):
        assert told in ask(operator_client, where, f"ALLOW:address:{ADDRESS}", lasts="1d")
    for_type, for_all = Allowance.objects.order_by("pk")
    assert (for_type.reason, for_all.finding_type) == ("Bad", "")
    set_action("BLOCK")
    set_action("BLOCK", finding_type="Recon:EC2/Portscan")
    arrive(attack(2, ADDRESS, type="Recon:EC2/Portscan"))
    assert "for every finding type" in Reaction.objects.get().outcome
    Allowance.objects.update(ends_at=timezone.now())
    arrive(attack(3, ADDRESS))
    assert Reaction.objects.latest("pk").state == "pending"
    assert "was added to" in ask(operator_client, path, f"ALLOW:address:{ADDRESS}")


NEW = {"kind": "address", "name": "81.2.0.2", "lasts": "1d", "reason": "Ours"}


def test_an_exception_is_added_before_any_finding(
    operator_client: Client, valid_license: License
) -> None:
    for told in ("is on the allowlist for every finding type", "is already on"):
        answer = operator_client.post("/actions/allowlist", NEW, follow=True)
        assert told in answer.content.decode()
    added = Allowance.objects.get()
    assert (added.name, added.finding_type, added.reason) == (ADDRESS, "", "Ours")
    assert added.ends_at
    set_action("BLOCK")
    arrive(attack(1))
    assert Reaction.objects.get().state == "prevented"


@pytest.mark.parametrize(
    "wrong",
    [{"name": "no address"}, {"name": "a\0b"}, {"name": "x" * 5000}, {"kind": "volume"},
     {"reason": ""}, {"lasts": "2d"}, {"kind": "user", "name": "a\u202eb"}],
)  # fmt: skip
def test_what_is_no_exception_stays_in_the_form(
    operator_client: Client, valid_license: License, wrong: dict[str, str]
) -> None:
    answer = operator_client.post("/actions/allowlist", {**NEW, **wrong})
    assert 'class="errorlist"' in answer.content.decode()
    assert not Allowance.objects.exists()


def test_viewers_add_no_exception(viewer_client: Client, valid_license: License) -> None:
    assert viewer_client.post("/actions/allowlist", NEW).status_code == 403
    assert "Add an exception" not in viewer_client.get("/actions/allowlist").content.decode()


def test_many_events_at_once(operator_client: Client, valid_license: License) -> None:
    event(attack(1), attack(2), attack(3, "81.2.0.3"), attack(4, "10.0.0.1"), attack(5))
    listed = operator_client.get("/events").content.decode()
    pks = re.findall(r'name="finding" value="(\d+)" form="selected"', listed)
    assert len(pks) == 5
    unselected = Finding.objects.latest("pk").pk
    assert 'formaction="/actions/by-hand/events" name="show" value="yes"' in listed
    selected = {"finding": [pk for pk in pks if int(pk) != unselected], "show": "yes"}
    shown = operator_client.post("/actions/by-hand/events", selected).content.decode()
    assert "This field is required" not in shown
    assert "Act on 4 events" in shown
    hidden = re.findall(r'type="hidden" name="finding" value="(\d+)"', shown)
    with CaptureQueriesContext(connection) as queries:
        answer = operator_client.post(
            "/actions/by-hand/events",
            {"finding": hidden, "what": "BLOCK", "lasts": "1d", "reason": "Campaign"},
            follow=True,
            headers=HTML,
        )
    read = [one for one in queries if 'FROM "actions_allowance"' in one["sql"]]
    assert len(read) == 1  # the allowlist is read once, not for each target
    assert "Actions on 4 events: " in answer.content.decode()
    found = dict(Reaction.objects.values_list("target", "state"))
    assert found == {"81.2.0.2": "pending", "81.2.0.3": "pending", "10.0.0.1": "prevented"}
    assert Reaction.objects.count() == 3


def test_selecting_nothing_leads_back(operator_client: Client, valid_license: License) -> None:
    answer = operator_client.get("/actions/by-hand/events?finding=x", follow=True)
    assert "Select at least one event" in answer.content.decode()


def test_viewers_see_and_do_not_act(viewer_client: Client, valid_license: License) -> None:
    path = event()
    for where in (path, entity(ADDRESS), "/actions/by-hand/events"):
        assert viewer_client.post(where, {"reason": "x"}).status_code == 403
    pk = Entity.objects.get(name=ADDRESS).pk
    for where in (f"/events/{Finding.objects.get().pk}", f"/entities/{pk}", "/events"):
        shown = viewer_client.get(where).content.decode()
        assert "by-hand" not in shown
    answer = viewer_client.post("/actions", {}, content_type="application/json")
    assert answer.json()["code"] == "permission_denied"


def test_who_may_act_and_not_see_events_sees_none_here(
    client: Client, valid_license: License
) -> None:
    path = event()
    user = User.objects.create_user("eve")
    user.user_permissions.add(Permission.objects.get(codename="add_reaction"))
    client.force_login(user)
    selected = {"finding": Finding.objects.get().pk, "show": "yes"}
    assert client.post("/actions/by-hand/events", selected).status_code == 403
    assert client.post(path, {"what": f"BLOCK:address:{ADDRESS}"}).status_code == 403


BLOCK = {"action": "BLOCK", "target_kind": "address", "target": "81.2.69.1", "reason": "Feed"}


def post(client: Client, body: Any, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/actions", body, content_type="application/json", headers=headers)


def test_a_program_blocks_an_address_that_no_finding_names(
    cloud: Cloud, ip_set: str, session: boto3.Session, program: Program, valid_license: License,
    viewer_client: Client,
) -> None:  # fmt: skip
    client = program("actions:write findings:read")
    answer = post(client, BLOCK | {"duration": "12h"})
    assert answer.status_code == 201
    stored = answer.json()
    assert (stored["finding_id"], stored["state"]) == (None, "pending")
    assert stored["why"] == "Requested by pipeline: Feed"
    assert days() == 0.5
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {"81.2.69.1/32"}
    assert client.get("/actions").json()["actions"][0]["state"] == "done"
    page = viewer_client.get("/actions", headers=HTML).content.decode()
    assert "By hand, without a finding" in page
    undone = post(client, BLOCK | {"action": "UNBLOCK"})
    assert (undone.status_code, undone.json()["state"]) == (201, "pending")
    again = post(client, BLOCK | {"action": "UNBLOCK"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_in_force")


def test_the_same_request_again_acts_once(program: Program, valid_license: License) -> None:
    client = program("actions:write")
    first, again = post(client, BLOCK, "a"), post(client, BLOCK, "a")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = post(client, BLOCK | {"duration": None}, "a")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert post(client, BLOCK, "b").status_code == 201
    assert Reaction.objects.count() == 2
    with pytest.raises(IntegrityError):
        Reaction.objects.create(
            kind="BLOCK", target_kind="address", target="x", why="x", state="pending",
            decided_at=timezone.now(), due_at=timezone.now(), requested_by_name="x",
            request_key=Reaction.objects.earliest("pk").request_key,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"reason": " "}, "/reason"),
        ({"reason": "a\0b"}, "/reason"),
        ({"action": "REVOKE", "target_kind": "access key", "target": "A\0B"}, "/target"),
        ({"target": "81.2.69"}, "/target"),
        ({"target_kind": "instance"}, "/target"),
        ({"action": "SAVE"}, "/action"),
        ({"duration": "1 week"}, "/duration"),
        ({"duration": "99999d"}, ""),
        ({"finding_id": 987654}, "/finding_id"),
        ({"action": "REVOKE", "target_kind": "access key", "target": KEY}, "/target"),
        ({"action": "UNBLOCK", "duration": "1d"}, ""),
    ],
)
def test_a_request_that_cannot_be_is_told_where(
    program: Program, valid_license: License, change: Any, pointer: str
) -> None:
    answer = post(program("actions:write"), BLOCK | change)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Reaction.objects.exists()


def test_a_program_needs_the_scope_and_the_license(
    program: Program, expired_license: License
) -> None:
    assert post(program("actions:write"), BLOCK).json()["code"] == "license_expired"


def test_the_scope_is_its_own(program: Program, valid_license: License) -> None:
    assert post(program("findings:write"), BLOCK).json()["code"] == "insufficient_scope"


def test_a_shell_in_a_dry_run_leaves_it_to_a_worker_that_acts(settings: Settings) -> None:
    set_action("BLOCK")
    Heart(Loop.ACT).beat()
    settings.CONTAINMENT = "dry-run"
    arrive(attack(1))
    assert Reaction.objects.get().state == "pending"


def test_a_worker_that_acts_no_more_decides_nothing(settings: Settings) -> None:
    set_action("BLOCK")
    Heart(Loop.ACT).beat()
    settings.CONTAINMENT = "dry-run"
    assert not heartbeat.acts(timezone.now() + heartbeat.ALIVE)
    Heart(Loop.ACT).beat()  # a worker in a dry run
    assert heartbeat.acts(timezone.now())  # the other may still live


def test_the_page_of_an_entity_tells_what_is_known(viewer_client: Client) -> None:
    set_action("BLOCK")
    event(attack(1), attack(2, ADDRESS, "81.2.69.9"), stolen(KEY, number=3))
    shown = viewer_client.get(f"/entities/{Entity.objects.get(name=ADDRESS).pk}").content.decode()
    for told in ("UnauthorizedAccess:EC2/SSHBruteForce", "81.2.69.9", "i-0123456789abcdef0"):
        assert told in shown
    assert KEY not in shown
    assert "BLOCK is set for" in shown
    listed = viewer_client.get("/entities").content.decode()
    assert f'href="/entities/{Entity.objects.get(name=KEY).pk}"' in listed
    assert viewer_client.get("/entities/987654").status_code == 404
    assert STOLEN not in shown
