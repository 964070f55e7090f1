"""What a worker has begun when it dies at any step is finished, and can be given back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import boto3
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import (
    EMPTIED,
    STOLEN,
    arrive,
    attack,
    emptied,
    set_action,
    stolen,
    undo,
)
from actions.tests.credentials import keys, user_policies
from actions.tests.test_deny import THEIRS, policy
from actions.tests.test_isolation import MINING, an_instance, mining
from tests.aws import REGION, Cloud

pytestmark = pytest.mark.django_db

State = Callable[[], Any]  # reads what AWS has


class Killed(BaseException):
    """The process ends here. Nothing in the portal catches it."""


def a_user(cloud: Cloud, settings: Settings) -> tuple[Any, State]:
    iam = cloud.client("iam")
    iam.create_user(UserName="bob")
    for _ in range(2):
        iam.create_access_key(UserName="bob")
    return stolen(""), lambda: (keys(cloud), user_policies(cloud))


def an_instance_that_mines(cloud: Cloud, settings: Settings) -> tuple[Any, State]:
    settings.ISOLATION, settings.BLOCK_DOMAIN_LISTS = "on", [cloud.domain_list()]
    instance = an_instance(cloud)
    return mining(instance), lambda: (instance.groups, set(cloud.more.domain_lists["rslvr-fdl-1"]))


def an_address_that_others_have_listed(cloud: Cloud, settings: Settings) -> tuple[Any, State]:
    set_action("BLOCK")
    arn = cloud.prefix_list()
    settings.BLOCK_PREFIX_LISTS = [arn]
    cloud.add_prefix(arn, "81.2.0.2/32")
    return attack(1), lambda: [(cloud.addresses(settings.BLOCK_IP_SETS[0]), cloud.prefixes(arn))]


def a_bucket_with_a_policy(cloud: Cloud, settings: Settings) -> tuple[Any, State]:
    settings.BUCKET_POLICIES = "on"
    finding = emptied(cloud)
    theirs = json.dumps({"Version": "2012-10-17", "Statement": [THEIRS]})
    cloud.client("s3").put_bucket_policy(Bucket="invoices", Policy=theirs)
    return finding, lambda: [policy(cloud)]


def dying_sessions(event: str) -> Iterator[boto3.Session]:
    """Yields the session of one process after another. The n-th dies at its n-th call to AWS."""
    for last in count(1):
        session = boto3.Session(region_name=REGION)
        calls = iter(range(1, last))

        def call(calls: Iterator[int] = calls, **about: Any) -> None:
            if next(calls, None) is None:
                raise Killed

        session.events.register(event, call)
        yield session


def work(event: str) -> int:
    """Lets workers work until one survives. Returns how many died."""
    for deaths, session in enumerate(dying_sessions(event)):
        Reaction.objects.all().postpone(timezone.now())  # as if the lease had run out
        with suppress(Killed):
            while carry_out_due(session):
                pass
            return deaths
    raise AssertionError("One survives.")


@pytest.mark.one_database  # tests/test_processfindings.py kills real workers on both
@pytest.mark.parametrize("event", ["before-send", "after-call"])
@pytest.mark.parametrize(
    "make",
    [
        a_user,
        an_instance_that_mines,
        an_address_that_others_have_listed,
        a_bucket_with_a_policy,
    ],
)
def test_what_a_worker_leaves_at_any_step_is_finished_and_given_back(
    cloud: Cloud, ip_set: str, settings: Settings, operator: User, event: str, make: Any
) -> None:
    set_action("REVOKE", finding_type=STOLEN)
    set_action("BLOCK", finding_type=MINING)
    set_action("BLOCK", finding_type=EMPTIED)
    finding, state = make(cloud, settings)
    before = state()
    arrive(finding)
    assert work(event) > 2
    assert set(Reaction.objects.values_list("state", flat=True)) == {"done"}
    contained = state()
    assert all(one != another for one, another in zip(contained, before, strict=True))
    for containment in Reaction.objects.in_force():
        undo(containment, operator)
    assert work(event) > 2
    assert state() == before


@pytest.mark.one_database  # tests/test_processfindings.py kills real workers on both
@pytest.mark.parametrize("event", ["before-send", "after-call"])
def test_a_finding_that_a_worker_left_is_saved_once(
    cloud: Cloud, ip_set: str, settings: Settings, event: str
) -> None:
    settings.SAVE_BUCKET = "evidence"
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": REGION})
    set_action("SAVE")
    arrive(attack(1))
    assert work(event) == 1
    assert Reaction.objects.get().state == "done"
    assert s3.list_objects_v2(Bucket="evidence")["KeyCount"] == 1
