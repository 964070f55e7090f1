"""The self-test of the Application page: a user asks, a worker calls AWS, the page shows it."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import boto3
import pytest
import time_machine
from botocore.config import Config
from botocore.exceptions import ClientError
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import self_test
from actions.aws import probes
from actions.aws.probes import run_asked
from actions.models import MemberRole
from actions.self_test import Probe, Result
from license.models import License
from tests import aws
from tests.aws import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]  # calls to AWS

MEMBER = "210987654321"
READS = {
    "AssumeRole", "DescribeManagedPrefixLists", "GetCallerIdentity", "GetIPSet",
    "GetManagedPrefixListEntries", "GetQueueAttributes", "GetTopicAttributes",
    "ListFirewallDomains", "GET",  # of a bucket
}  # fmt: skip


@pytest.fixture
def deployment(cloud: Cloud, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a deployment with all that the portal uses in AWS."""
    place = {"LocationConstraint": aws.REGION}
    for name in ("evidence", "history"):
        cloud.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)
    settings.BLOCK_IP_SETS = [cloud.ip_set("blocked")]
    settings.BLOCK_PREFIX_LISTS = [cloud.prefix_list()]
    settings.BLOCK_DOMAIN_LISTS = [cloud.domain_list()]
    settings.SAVE_BUCKET = "evidence"
    settings.ARCHIVE_BUCKET = "history/of/findings"
    settings.NOTIFY_TOPIC_ARN = topic = cloud.topic_with_queue()[0]
    monkeypatch.setattr(probes, "topics", [lambda: [topic]])
    settings.FINDINGS_QUEUE_URL = cloud.queue()
    settings.MEMBER_ACCOUNTS = [MEMBER]
    cloud.more.members[MEMBER] = "threatreaction-123456789012"
    cloud.asked.clear()
    return settings


def probed(session: boto3.Session) -> dict[str, Probe]:
    """Asks, lets a worker do it, and returns the probes by name."""
    assert self_test.ask(at=timezone.now())
    run_asked(session)
    test = self_test.last()
    assert test and test.ended_at
    return {one.name: one for one in test.probes}


def test_all_is_reached_and_only_read(
    cloud: Cloud, session: boto3.Session, deployment: Settings
) -> None:
    found = probed(session)
    assert [one.text for one in found.values() if one.result != Result.OK] == []
    assert set(found) == {
        "Role of the worker", "Queue of findings", "IP set", "Prefix list", "Domain list",
        "Bucket of saved findings", "Bucket of the archive", "Topic of notifications",
        "Role ThreatReactionContainment",
    }  # fmt: skip
    assert found["IP set"].text == "0 of 10000 entries."
    assert set(cloud.asked) <= READS
    assert MemberRole.objects.get().answered_at  # the Accounts page knows it too


def test_an_error_is_told_with_the_permission_that_is_missing(
    cloud: Cloud, session: boto3.Session, deployment: Settings
) -> None:
    for operation, code in (
        ("GetQueueAttributes", "AccessDenied"),
        ("GetIPSet", "AccessDeniedException"),
        ("DescribeManagedPrefixLists", "UnauthorizedOperation"),
        ("ListFirewallDomains", "AccessDeniedException"),
        ("GET", "AccessDenied"),
        ("GetTopicAttributes", "AuthorizationError"),
        ("AssumeRole", "AccessDenied"),
    ):
        cloud.fail(operation, code, status=403)
    found = probed(session)
    assert {name: one.permission for name, one in found.items() if one.result == Result.FAILED} == {
        "Queue of findings": "sqs:GetQueueAttributes",
        "IP set": "wafv2:GetIPSet",
        "Prefix list": "ec2:DescribeManagedPrefixLists",
        "Domain list": "route53resolver:ListFirewallDomains",
        "Bucket of saved findings": "s3:GetBucketLocation",
        "Bucket of the archive": "s3:GetBucketLocation",
        "Topic of notifications": "sns:GetTopicAttributes",
        "Role ThreatReactionContainment": "sts:AssumeRole",
    }
    assert found["IP set"].text == "AccessDeniedException: no"
    assert "deploy/member.yaml" in found["Role ThreatReactionContainment"].text
    assert MemberRole.objects.get().problem  # the Accounts page knows it too


def test_an_error_of_another_kind_names_no_permission(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_IP_SETS = [f"arn:aws:wafv2:{aws.REGION}:123456789012:regional/ipset/gone/1-2"]
    gone = probed(session)["IP set"]
    assert (gone.result, gone.permission) == (Result.FAILED, "")
    assert "WAFNonexistentItemException" in gone.text


def test_a_permission_that_aws_names_wins() -> None:
    error = ClientError(
        {"Error": {"Code": "AccessDenied", "Message": "User: x is not authorized to perform:"
                   " kms:Decrypt on resource: y"}},
        "GetQueueAttributes",
    )  # fmt: skip
    assert probes.missing_permission(error) == "kms:Decrypt"


def test_what_hangs_is_told_and_the_rest_is_tested(
    cloud: Cloud, session: boto3.Session, deployment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = probes.QUICK.merge(Config(read_timeout=0.5))
    monkeypatch.setattr(probes, "QUICK", quick)
    cloud.hang("GetQueueAttributes")
    found = probed(session)
    assert found["Queue of findings"].result == Result.FAILED
    assert "ReadTimeout" in found["Queue of findings"].text
    assert found["Topic of notifications"].result == Result.OK


def test_what_takes_too_long_is_cut_off(
    cloud: Cloud, session: boto3.Session, deployment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "LONGEST", timedelta(seconds=-1))
    found = probed(session)
    assert {one.result for one in found.values()} == {Result.NOT_TRIED}
    assert cloud.asked == []


def test_one_worker_does_it_and_what_is_not_set_up_is_told(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.BLOCK_IP_SETS = []
    now = timezone.now()
    assert self_test.ask(at=now)
    assert not self_test.ask(at=now)  # one at a time
    asked = cache.get("self-test")
    first = self_test.take(at=now)
    assert first is not None
    assert self_test.take(at=now) is None
    cache.set("self-test", asked)  # as another worker has read it at the same time
    assert self_test.take(at=now) is None
    self_test.end(first)
    with time_machine.travel(now + timedelta(minutes=1)):
        found = probed(session)
    assert found.pop("Role of the worker").result == Result.OK
    assert {one.result for one in found.values()} == {Result.NOT_SET_UP}
    assert cloud.asked == ["GetCallerIdentity"]


def test_without_an_account_of_its_own_it_reads_lists_as_the_worker_does(
    cloud: Cloud, settings: Settings, ip_set: str
) -> None:
    settings.AWS_ACCOUNT_ID = ""
    found = probed(boto3.Session(region_name=aws.REGION))
    assert found["IP set"].text == "0 of 10000 entries."


def test_a_bug_is_told_and_ends_the_test(
    cloud: Cloud, session: boto3.Session, settings: Settings
) -> None:
    settings.MEMBER_ACCOUNTS = ["no account"]
    self_test.ask(at=timezone.now())
    with pytest.raises(ValueError, match="no account"):
        run_asked(session)
    test = self_test.last()
    assert test and test.ended_at and test.failed
    assert test.probes[-1].text == "The worker failed. Its log has the error."


def test_the_page_asks_and_shows_it(
    cloud: Cloud, session: boto3.Session, deployment: Settings, administrator_client: Client,
    expired_license: License,
) -> None:  # fmt: skip
    def shown() -> str:
        return unescape(administrator_client.get("/application/self-test").content.decode())

    assert "Not run yet" in shown()
    cloud.fail("GetIPSet", "AccessDeniedException", status=403)
    answer = administrator_client.post("/application/self-test")  # also without a license
    assert (answer.status_code, answer.headers["Location"]) == (302, "/application#self-test")
    assert "Waiting for a worker" in shown()
    assert 'hx-trigger="every 2s"' in shown()
    run_asked(session)
    page = shown()
    for told in ("1 failed", "AccessDeniedException: no", "<code>wafv2:GetIPSet</code>"):
        assert told in page
    assert "hx-trigger" not in page
    assert "1 failed" in administrator_client.get("/application").content.decode()


def test_without_a_worker_the_page_says_so(
    administrator_client: Client, session: boto3.Session
) -> None:
    administrator_client.post("/application/self-test")
    later = timezone.now() + timedelta(seconds=31)
    with time_machine.travel(later):
        page = administrator_client.get("/application/self-test").content.decode()
        assert "No worker answered in 30 s" in page
        assert "hx-trigger" not in page
        run_asked(session)  # one that starts now leaves it alone: the page has said so
        test = self_test.last()
        assert test and test.started_at is None
        assert self_test.ask(at=later)


def test_only_administrators_test(operator_client: Client, valid_license: License) -> None:
    assert operator_client.post("/application/self-test").status_code == 403
    assert operator_client.get("/application/self-test").status_code == 403
    assert self_test.last() is None
    page = operator_client.get("/application").content.decode()
    assert "self-test" not in page
    assert "support-bundle" not in page
