"""The calls of the self-test. Each only reads: it changes nothing in AWS."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils import timezone

from actions import members, self_test
from actions.aws import domain_lists, prefix_lists, wafv2
from actions.aws.accounts import Accounts
from actions.aws.lists import Lists, Ref
from actions.aws.outcome import ContainmentError, failure, region_of
from actions.models import MemberRole
from actions.self_test import LONGEST, Probe, Result
from findings.models import AccountSum
from serving import sqs

# One attempt, so that a service that does not respond delays the others little.
QUICK = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
TOPICS = 20
ROLES = 200  # member accounts, the most that one test tries

# The permission that an operation needs, by the operation as boto3 names it.
PERMISSIONS = {
    "AssumeRole": "sts:AssumeRole",
    "DescribeManagedPrefixLists": "ec2:DescribeManagedPrefixLists",
    "GetBucketLocation": "s3:GetBucketLocation",
    "GetIPSet": "wafv2:GetIPSet",
    "GetManagedPrefixListEntries": "ec2:GetManagedPrefixListEntries",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "GetTopicAttributes": "sns:GetTopicAttributes",
    "ListFirewallDomains": "route53resolver:ListFirewallDomains",
}
_DENIED = re.compile(r"AccessDenied|AuthorizationError|Unauthorized|Forbidden|^403$")
_NAMED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:\w+)", re.IGNORECASE)


# Of apps above: functions that return the ARNs of topics to which they send.
topics: list[Callable[[], Iterable[str]]] = []


class _Try(NamedTuple):
    """Something to try."""

    name: str
    target: str  # "" if it is not set up
    call: Callable[[], str]  # returns what AWS said


def run_asked(session: boto3.Session) -> None:
    """Does the self-test that a user asked for, if there is one."""
    test = self_test.take(at=timezone.now())
    if test is None:
        return
    deadline = time.monotonic() + LONGEST.total_seconds()
    try:
        for one in _tries(session):
            if not one.target:
                self_test.note(test, Probe(one.name, "", Result.NOT_SET_UP))
            elif time.monotonic() > deadline:
                text = "The self-test has taken too long."
                self_test.note(test, Probe(one.name, one.target, Result.NOT_TRIED, text))
            else:
                self_test.note(test, probe(one))
    except Exception:  # a bug
        text = "The worker failed. Its log has the error."
        self_test.note(test, Probe("Self-test", "", Result.FAILED, text))
        raise
    finally:
        self_test.end(test)


def probe(one: _Try) -> Probe:
    """Returns whether a call to AWS succeeds, and the permission that it lacks."""
    try:
        return Probe(one.name, one.target, Result.OK, one.call())
    except ContainmentError as error:
        cause = error.__cause__
        missing = missing_permission(cause) if isinstance(cause, ClientError) else ""
        return Probe(one.name, one.target, Result.FAILED, str(error), missing)
    except (BotoCoreError, ClientError) as error:
        missing = missing_permission(error) if isinstance(error, ClientError) else ""
        return Probe(one.name, one.target, Result.FAILED, str(failure(error)), missing)


def missing_permission(error: ClientError) -> str:
    """Returns the IAM permission whose lack is the error; "" for any other error."""
    said = error.response.get("Error", {})
    if not _DENIED.search(str(said.get("Code", ""))):
        return ""
    needed = PERMISSIONS.get(error.operation_name, "")
    named = _NAMED.search(str(said.get("Message", "")))
    # AWS names some in lower case. It can be another one than that of the operation, of KMS.
    return named[1] if named and named[1].lower() != needed.lower() else needed


def _tries(session: boto3.Session) -> Iterator[_Try]:
    accounts = Accounts(session, QUICK)

    def role(account_id: str) -> Callable[[], str]:
        return lambda: accounts.access(account_id, session_name="self-test").arn

    yield _Try("Role of the worker", settings.AWS_ACCOUNT_ID, role(settings.AWS_ACCOUNT_ID))
    yield _Try("Queue of findings", settings.FINDINGS_QUEUE_URL, lambda: _queue(session))
    for lists, name in (
        (wafv2.LISTS, "IP set"),
        (prefix_lists.LISTS, "Prefix list"),
        (domain_lists.LISTS, "Domain list"),
    ):
        yield from _lists(session, accounts, lists, name)
    archive = settings.ARCHIVE_BUCKET.partition("/")[0]
    for name, bucket in (("saved findings", settings.SAVE_BUCKET), ("the archive", archive)):
        yield _Try(f"Bucket of {name}", bucket, partial(_bucket, session, bucket))
    arns = sorted({arn for found in topics for arn in found()})
    for arn in arns[:TOPICS] or [""]:
        yield _Try("Topic of notifications", arn, partial(_topic, session, arn))
    ids = list(islice(_member_accounts(), ROLES))
    for account_id in ids:
        yield _Try(f"Role {members.ROLE}", account_id, role(account_id))
    if not ids:
        yield _Try("Roles in member accounts", "", lambda: "")


def _queue(session: boto3.Session) -> str:
    url = settings.FINDINGS_QUEUE_URL
    client: Any = session.client("sqs", region_name=sqs.region_of(url), config=QUICK)
    name = "ApproximateNumberOfMessages"
    answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return f"About {answer['Attributes'][name]} messages wait."


def _bucket(session: boto3.Session, name: str) -> str:
    client: Any = session.client("s3", config=QUICK)
    answer = client.get_bucket_location(Bucket=name)
    return f"It is in {answer.get('LocationConstraint') or 'us-east-1'}."


def _topic(session: boto3.Session, arn: str) -> str:
    client: Any = session.client("sns", region_name=region_of(arn) or None, config=QUICK)
    attributes = client.get_topic_attributes(TopicArn=arn)["Attributes"]
    return f"{attributes.get('SubscriptionsConfirmed', 0)} subscriptions are confirmed."


def _lists(session: boto3.Session, accounts: Accounts, lists: Lists, name: str) -> Iterator[_Try]:
    try:
        refs = lists.configured()
    except ValueError:
        text = f"{lists.setting} is invalid. Run `manage.py check`."
        yield _Try(name, lists.setting, lambda: _fail(text))
        return
    if not refs:
        yield _Try(name, "", lambda: "")
    for ref in refs:
        yield _Try(name, ref.arn, _read(session, accounts, lists, ref))


def _fail(text: str) -> str:
    raise ContainmentError(text)


def _read(session: boto3.Session, accounts: Accounts, lists: Lists, ref: Ref) -> Callable[[], str]:
    def read() -> str:
        if ref.is_own:
            client = session.client(lists.service, region_name=ref.region, config=QUICK)
        else:
            access = accounts.access(ref.account_id, session_name="self-test")
            client = access.client(lists.service, region=ref.region, config=QUICK)
        content = lists.read(client, ref)
        return f"{len(content.present)} of {content.capacity} entries."

    return read


def _member_accounts() -> Iterator[str]:
    """Yields the accounts in which the portal may act: those that are named, or all it knows."""
    named = members.configured()
    if named is None:
        known = MemberRole.objects.values_list("account_id", flat=True)
        found = AccountSum.objects.values_list("account_id", flat=True)
        named = sorted({*known, *found})
    for account_id in named:
        if members.is_member(account_id):
            yield account_id
