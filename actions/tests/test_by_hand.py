"""What operators request: on an event, an entity and many events."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import breaker
from actions.execution import carry_out_due
from actions.models import Allowance, Reaction
from actions.tests.attacks import (
    BOB,
    EMPTIED,
    STOLEN,
    arrive,
    attack,
    emptied,
    end_in_days,
    set_action,
    stolen,
)
from findings.models import Entity, Finding
from license.models import License
from tests.aws import Cloud

pytestmark = pytest.mark.one_database  # forms and pages

HTML = {"Accept": "text/html"}
ADDRESS = "81.2.0.2"  # of attack(1)
KEY = "AKIAIOSFODNN7EXAMPLE"


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


@pytest.mark.parametrize(
    ("lasts", "lasted"),
    [
        pytest.param("policy", 7, marks=pytest.mark.every_database),  # from the page to the log
        ("1d", 1),
        pytest.param("", None, marks=pytest.mark.every_database),
    ],
)
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
    assert end_in_days() == lasted
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


def test_a_principal_is_denied_on_a_bucket_and_restored(
    cloud: Cloud, session: boto3.Session, operator_client: Client, valid_license: License,
    settings: Settings,
) -> None:  # fmt: skip
    settings.BUCKET_POLICIES = "on"
    path = event(emptied(cloud))
    name = f"invoices {BOB}"
    target = f"use of a bucket:{name}"
    page = operator_client.get(f"/events/{Finding.objects.get().pk}").content.decode()
    assert f"Deny {name}" in page
    assert f"Restore {name}" not in page
    told = ask(operator_client, path, f"DENY:{target}", lasts="1d")
    assert f"Deny {name} was requested" in told
    carry_out_due(session)
    assert denied(cloud) == [BOB]
    assert end_in_days() == 1
    assert f"Restore {name} was requested" in ask(operator_client, path, f"RESTORE:{target}")
    carry_out_due(session)
    assert denied(cloud) == []
    assert f"{name} was added to the allowlist" in ask(operator_client, path, f"ALLOW:{target}")
    told = ask(operator_client, path, f"DENY:{target}")
    assert f"was prevented. Reported only: {name} is on the allowlist" in told


def denied(cloud: Cloud) -> list[str]:
    """Returns who is denied by the policy of the bucket."""
    try:
        policy = json.loads(cloud.client("s3").get_bucket_policy(Bucket="invoices")["Policy"])
    except ClientError:
        return []
    return [one["Condition"]["StringEquals"]["aws:PrincipalArn"] for one in policy["Statement"]]


def test_each_principal_of_many_events_is_denied_once(
    cloud: Cloud, operator_client: Client, valid_license: License, settings: Settings
) -> None:
    settings.BUCKET_POLICIES = "on"
    role = "arn:aws:iam::123456789012:role/etl"
    event(emptied(cloud, 1), emptied(cloud, 2), emptied(cloud, 3, principal=role), attack(4))
    selected = {"finding": [one.pk for one in Finding.objects.all()]}
    shown = operator_client.get("/actions/by-hand/events", selected).content.decode()
    assert f"<code>invoices {BOB}</code>" in shown
    assert "Deny all principals on their buckets" in shown
    wanted = {"what": "DENY", "lasts": "1d", "reason": "Campaign"}
    operator_client.post("/actions/by-hand/events", selected | wanted)
    assert sorted(Reaction.objects.values_list("kind", "target", "state")) == [
        ("DENY", f"invoices {role}", "pending"),
        ("DENY", f"invoices {BOB}", "pending"),
    ]
    operator_client.post("/actions/by-hand/events", selected | wanted | {"what": "ALLOW"})
    uses = Allowance.objects.filter(kind="use of a bucket", finding_type=EMPTIED)
    assert set(uses.values_list("name", flat=True)) == {f"invoices {role}", f"invoices {BOB}"}


@pytest.mark.every_database  # many rows
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
