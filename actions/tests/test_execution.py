"""Actions are carried out on AWS once, also if AWS fails."""

from __future__ import annotations

import json

import boto3
import pytest
import time_machine
from botocore.config import Config
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import execution
from actions.aws import lists, wafv2
from actions.execution import carry_out_due
from actions.models import AT_THE_FIREWALL, Attempt, Reaction
from actions.tests.attacks import (
    STOLEN,
    arrive,
    attack,
    later,
    of_an_earlier_version,
    set_action,
    states,
    stolen,
    undo,
)
from actions.tests.credentials import denied_before, iam_key, role
from findings.models import Finding
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS


@pytest.mark.every_database  # claims and locks
def test_addresses_are_blocked_in_one_update(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    sixes = cloud.ip_set("six", version=6)
    settings.BLOCK_IP_SETS = [ip_set, sixes]
    set_action("BLOCK")
    arrive(*(attack(number) for number in range(1, 41)), attack(41, "2a02:cf40::1"))
    assert carry_out_due(session) == 41
    assert cloud.addresses(ip_set) == {f"81.2.0.{number + 1}/32" for number in range(1, 41)}
    assert cloud.addresses(sixes) == {"2a02:cf40::1/128"}
    assert cloud.asked.count("UpdateIPSet") == 2
    assert set(states()) == {"done"}
    assert Attempt.objects.filter(succeeded=True).count() == 41
    assert carry_out_due(session) == 0


def test_a_full_set_overflows_into_the_next(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(wafv2, "CAPACITY", 3)
    second = cloud.ip_set("second")
    settings.BLOCK_IP_SETS = [ip_set, second]
    set_action("BLOCK")
    arrive(*(attack(number) for number in range(1, 8)))
    carry_out_due(session)
    assert (len(cloud.addresses(ip_set)), len(cloud.addresses(second))) == (3, 3)
    assert sorted(states()) == ["done"] * 6 + ["pending"]
    failed = Attempt.objects.get(succeeded=False)
    assert "sets of BLOCK_IP_SETS are full" in failed.answer


def test_what_others_put_into_the_set_stays(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    waf = cloud.client("wafv2")
    name, ip_set_id = ip_set.split("/")[-2:]
    which = {"Name": name, "Scope": "REGIONAL", "Id": ip_set_id}
    token = waf.get_ip_set(**which)["LockToken"]
    waf.update_ip_set(**which, Addresses=["9.9.9.0/24"], LockToken=token, Description="by hand")
    set_action("BLOCK")
    arrive(attack(1))
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {"9.9.9.0/24", "81.2.0.2/32"}
    assert waf.get_ip_set(**which)["IPSet"]["Description"] == "by hand"


def test_a_lock_conflict_is_tried_again_at_once(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    cloud.fail("UpdateIPSet", "WAFOptimisticLockException", times=3)
    set_action("BLOCK")
    arrive(attack(1))
    carry_out_due(session)
    assert states() == ["done"]
    assert cloud.addresses(ip_set) == {"81.2.0.2/32"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("AccessDeniedException", 403),
        ("WAFInternalErrorException", 500),
    ],
)
def test_what_fails_is_tried_again_after_a_pause_that_grows(
    cloud: Cloud, ip_set: str, session: boto3.Session, code: str, status: int
) -> None:
    cloud.fail("UpdateIPSet", code, status=status)
    set_action("BLOCK")
    arrive(attack(1))
    pauses = []
    for _ in range(3):
        begin = timezone.now()
        with time_machine.travel(begin, tick=False):
            assert carry_out_due(session) == 1
            assert carry_out_due(session) == 0
        due_at = Reaction.objects.get().due_at
        assert due_at
        pauses.append((due_at - begin).total_seconds())
        Reaction.objects.all().postpone(timezone.now())
    assert pauses == [5, 10, 20]
    assert code in Attempt.objects.latest("pk").answer
    cloud.mend()
    carry_out_due(session)
    assert states() == ["done"]
    assert Attempt.objects.count() == 4


def test_after_a_day_it_has_failed(cloud: Cloud, ip_set: str, session: boto3.Session) -> None:
    cloud.fail("GetIPSet", "AccessDeniedException", status=403)
    set_action("BLOCK")
    arrive(attack(1))
    with later(hours=23, minutes=59, seconds=59):
        carry_out_due(session)
    assert states() == ["failed"]
    assert "AccessDenied" in Reaction.objects.get().outcome


def test_an_aws_that_hangs_is_left(
    cloud: Cloud, ip_set: str, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = Config(read_timeout=0.5, retries={"total_max_attempts": 1})
    monkeypatch.setattr(lists, "CONFIG", impatient)
    cloud.hang("UpdateIPSet")
    set_action("BLOCK")
    arrive(attack(1))
    carry_out_due(session)
    assert states() == ["pending"]
    assert "Timeout" in Attempt.objects.get().answer


@pytest.mark.every_database  # claims and locks
def test_what_a_dead_worker_had_claimed_is_taken_over(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    set_action("BLOCK")
    arrive(attack(1))
    assert len(execution._claim(AT_THE_FIREWALL, at=timezone.now(), limit=9)) == 1
    assert carry_out_due(session) == 0
    with later(minutes=6):
        assert carry_out_due(session) == 1
    assert states() == ["done"]


def test_an_access_key_is_made_inactive(cloud: Cloud, ip_set: str, session: boto3.Session) -> None:
    key = iam_key(cloud)
    other = cloud.client("iam").create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    set_action("REVOKE", finding_type=STOLEN)
    arrive(stolen(key, name="not bob"))  # AWS, not the finding, decides whose key it is
    carry_out_due(session)
    listed = cloud.client("iam").list_access_keys(UserName="bob")["AccessKeyMetadata"]
    assert {one["AccessKeyId"]: one["Status"] for one in listed} == {
        key: "Inactive",
        other: "Active",
    }
    assert states() == ["done"]


def test_a_key_that_is_no_more_has_failed_for_good(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    cloud.fail("GetAccessKeyLastUsed", "NoSuchEntity", status=404)
    set_action("REVOKE", finding_type=STOLEN)
    arrive(stolen("AKIAIOSFODNN7EXAMPLE"))
    carry_out_due(session)
    assert states() == ["failed"]


def test_the_sessions_of_a_role_are_denied_and_never_less_than_before(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    role(cloud, "deployer")
    set_action("REVOKE", finding_type=STOLEN)
    for number, day in enumerate((2, 1, 3)):
        with time_machine.travel(f"2026-11-0{day}T10:00:00Z", tick=False):
            arrive(stolen("ASIA", number=number, name="deployer", kind="AssumedRole"))
            carry_out_due(session)
        assert denied_before(cloud, "deployer") == f"2026-11-0{max(day, 2)}T10:00:00.000Z"
    assert states().count("done") == 3


def test_the_role_of_the_portal_is_not_revoked(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    role(cloud, "portal")
    assumed = cloud.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/portal", RoleSessionName="task"
    )["Credentials"]
    own = boto3.Session(
        assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"], "eu-central-1"
    )
    set_action("REVOKE", finding_type=STOLEN)
    arrive(stolen("ASIA", name="portal", kind="AssumedRole"))
    carry_out_due(own)
    assert "failed" in states()
    assert "portal itself" in Reaction.objects.get(state="failed").outcome


def test_a_finding_is_saved_as_it_came(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    cloud.client("s3").create_bucket(
        Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    settings.SAVE_BUCKET = "evidence"
    set_action("SAVE")
    arrive(attack(1, title="Zürich"))
    cloud.fail("PUT", "SlowDown", status=503)
    carry_out_due(session)
    assert states() == ["pending"]
    cloud.mend()
    with later(seconds=6):
        carry_out_due(session)
    key = f"123456789012/eu-central-1/2026/11/23/{1:032x}.json"
    saved = cloud.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read()
    assert json.loads(saved) == attack(1, title="Zürich")


def test_a_notice_of_an_earlier_version_is_still_sent(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    settings.NOTIFY_TOPIC_ARN, queue = cloud.topic_with_queue()
    set_action("BLOCK", severity="HIGH")
    arrive(attack(1))
    of_an_earlier_version(settings.NOTIFY_TOPIC_ARN)
    while carry_out_due(session):
        pass
    (notice,) = cloud.messages(queue)
    assert notice["url"] == f"http://testserver/events/{Finding.objects.get().pk}"
    assert notice["finding"]["type"] == "UnauthorizedAccess:EC2/SSHBruteForce"
    assert notice["policy"] == {
        "action": "BLOCK",
        "set_at": "UnauthorizedAccess:EC2/SSHBruteForce, HIGH",
    }
    (block,) = notice["actions"]
    assert (block["action"], block["target"], block["state"]) == ("BLOCK", "81.2.0.2", "done")


def test_unblock_takes_the_address_out_again(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator: User
) -> None:
    set_action("BLOCK")
    arrive(attack(1), attack(2))
    carry_out_due(session)
    block = Reaction.objects.earliest("pk")
    assert undo(block, operator)
    assert undo(block, operator) is None
    (waiting,) = Reaction.objects.in_force().filter(target=block.target)
    assert waiting.is_being_undone
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {"81.2.0.3/32"}
    assert [one.target for one in Reaction.objects.in_force()] == ["81.2.0.3"]
    arrive(attack(3, block.target))  # it attacks again
    carry_out_due(session)
    assert cloud.addresses(ip_set) == {"81.2.0.2/32", "81.2.0.3/32"}


def test_who_acts_decides_about_an_unblock_and_not_who_asks(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings, operator: User
) -> None:
    set_action("BLOCK")
    arrive(attack(1))
    carry_out_due(session)
    settings.CONTAINMENT = "dry-run"  # in the portal process; the worker has "on"
    assert undo(Reaction.objects.get(), operator)
    settings.CONTAINMENT = "on"
    carry_out_due(session)
    assert states() == ["done", "done"]
    assert cloud.addresses(ip_set) == set()


def test_the_log_says_what_an_ip_set_stops(
    cloud: Cloud, ip_set: str, session: boto3.Session
) -> None:
    set_action("BLOCK")
    arrive(attack(1))
    carry_out_due(session)
    assert (
        "SSH, does not pass through a web ACL and is not blocked" in Reaction.objects.get().outcome
    )


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_ip_sets_of_every_partition_can_be_named(partition: str, settings: Settings) -> None:
    arn = f"arn:{partition}:wafv2:cn-north-1:123456789012:regional/ipset/blocked/1f-2e"
    settings.BLOCK_IP_SETS = [arn]
    (found,) = wafv2.LISTS.configured()
    assert (found.region, found.scope, found.name) == ("cn-north-1", "REGIONAL", "blocked")


@pytest.mark.every_database  # the order of actions
def test_an_unblock_waits_for_the_block_before_it(
    cloud: Cloud, ip_set: str, session: boto3.Session, operator: User
) -> None:
    set_action("BLOCK")
    arrive(attack(1))
    execution._claim(AT_THE_FIREWALL, at=timezone.now(), limit=9)  # by another, slow worker
    undo(Reaction.objects.get(), operator)
    assert carry_out_due(session) == 0
    with later(minutes=6):
        carry_out_due(session)
        carry_out_due(session)
    assert states() == ["done", "done"]
    assert cloud.addresses(ip_set) == set()


def test_what_was_decided_before_a_dry_run_is_not_done(
    cloud: Cloud, ip_set: str, session: boto3.Session, settings: Settings
) -> None:
    set_action("BLOCK")
    arrive(attack(1))
    settings.CONTAINMENT = "dry-run"
    carry_out_due(session)
    assert states() == ["dry run"]
    assert cloud.addresses(ip_set) == set()
