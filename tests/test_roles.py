"""The roles of deploy/threatreaction.yaml and the AWS calls of the portal are the same.

`roles.hold` refuses in every test what a role does not allow. These tests show that it refuses, and
that a role allows nothing that no test needs.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import execution, ingest, reconcile, self_test, worker
from actions.aws import probes
from actions.models import Reaction
from actions.retention import archiving, places
from actions.self_test import Result
from actions.tests.attacks import EMPTIED, STOLEN, attack, emptied, set_action, stolen, undo
from actions.tests.credentials import (
    KEY,
    RUNTIME,
    a_cluster,
    a_function,
    a_pod,
    a_task,
    called_by,
    trusted,
)
from actions.tests.test_isolation import MINING, an_instance, mining
from actions.tests.test_worker import event, send
from findings.models import Finding
from findings.tests.findings import BRUTE_FORCE, finding
from notifications import delivery, gathering, topic
from notifications.models import Delivery
from serving import sqs
from serving.sqs import Queue
from tests import aws, roles
from tests.aws import Cloud

OLD = datetime(2024, 3, 5, 10, tzinfo=UTC)
PORT_SCAN = "Recon:EC2/Portscan"


@pytest.fixture
def deployment(cloud: Cloud, settings: Settings) -> Settings:
    """The settings of a deployment with all AWS resources."""
    place = {"LocationConstraint": aws.REGION}
    for bucket in ("evidence", "history"):
        cloud.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    settings.ARCHIVE_BUCKET = "history"
    settings.CONTAINMENT = "on"
    settings.BLOCK_IP_SETS = [cloud.ip_set("blocked"), cloud.ip_set("six", version=6)]
    settings.BLOCK_PREFIX_LISTS = [cloud.prefix_list()]
    settings.BLOCK_DOMAIN_LISTS = [cloud.domain_list()]
    settings.ISOLATION = settings.BUCKET_POLICIES = settings.ARCHIVE_FINDINGS = "on"
    settings.MEMBER_ACCOUNTS = ["all"]
    settings.SAVE_BUCKET = "evidence"
    settings.NOTIFY_TOPIC_ARN, _ = cloud.topic_with_queue()
    settings.FINDINGS_QUEUE_URL = cloud.queue()
    return settings


@pytest.mark.one_database  # calls to AWS
@pytest.mark.django_db
def test_the_worker_needs_all_that_its_role_allows(
    cloud: Cloud, deployment: Settings, monkeypatch: pytest.MonkeyPatch, operator: User
) -> None:
    monkeypatch.setattr(sqs, "LONG_POLL", 2)
    monkeypatch.setattr(sqs, "VISIBILITY", 1)
    made: set[str] = set()
    session = boto3.Session(region_name=aws.REGION)
    roles.hold(session, roles.WORKER, lambda role, permission: made.add(permission))
    for finding_type, action in (
        (BRUTE_FORCE, "BLOCK"),
        (MINING, "BLOCK"),
        (STOLEN, "REVOKE"),
        (RUNTIME, "REVOKE"),
        (EMPTIED, "BLOCK"),
        (PORT_SCAN, "SAVE"),
    ):
        set_action(action, finding_type=finding_type)
    topic.set_up()
    queue = Queue(session, deployment.FINDINGS_QUEUE_URL)
    findings = _findings(cloud)
    send(cloud, queue, *map(event, findings))
    queue.count()
    messages = queue.receive()
    with queue.being_extended(messages):
        cloud.wait_for("ChangeMessageVisibilityBatch")
    while Finding.objects.count() < len(findings):  # from the end of the visibility
        worker.receive(queue, threading.Event())
    _carry_out_all(session)
    assert not Reaction.objects.filter(state__in=["pending", "failed"]).exists()
    with monkeypatch.context() as patch:
        patch.setattr(boto3, "Session", lambda: session)
        gathering.gather(timezone.now())
        delivery.deliver_due()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    reconcile.reconcile(session)
    for containment in Reaction.objects.in_force():
        undo(containment, operator)
    _carry_out_all(session)
    self_test.ask(at=timezone.now())
    probes.run_asked(session)
    test = self_test.last()
    assert test and {one.result for one in test.probes} == {Result.OK}
    deployment.NOTIFY_TOPIC_ARN = ""
    old = {"type": "Recon:EC2/Other", "service": {"eventLastSeen": OLD.isoformat()}}
    ingest.ingest([finding(99, **old)], at=OLD)
    archiving.archive(places.configured(session), now=timezone.now(), stop=threading.Event())
    assert Finding.objects.filter(received_at=OLD).count() == 0
    # tests/test_database_secret.py shows that each process reads the password of the database.
    unused = roles.permissions(roles.WORKER) - made - {"secretsmanager:GetSecretValue"}
    assert not unused


def _findings(cloud: Cloud) -> list[Any]:
    """Creates what the worker can contain, and returns a finding about each."""
    iam = cloud.client("iam")
    for user in ("bob", "alice"):
        iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    for role in ("deployer", "worker"):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    member = "210987654321"
    cloud.role_in(member, "deployer")
    cloud.more.members[member] = "threatreaction-123456789012"
    cloud.client("guardduty").create_detector(Enable=True)
    of_role = stolen("", number=3, name="deployer", kind="AssumedRole")
    annotated = a_cluster(cloud)
    pod = {"namespace": "web", "serviceAccountName": "back"}
    annotated["kubernetesDetails"] = {"kubernetesWorkloadDetails": pod}
    trusted(cloud, "back", "web:back")
    cloud.more.calls = [called_by("arn:aws:iam::123456789012:user/bob")]
    workloads = [annotated, *(make(cloud) for make in (a_function, a_task, a_pod))]
    return [
        attack(1),
        stolen(key, number=2, name="alice"),
        of_role,
        {**of_role, "id": f"{4:032x}", "accountId": member},
        stolen("", number=5),
        mining(an_instance(cloud), 6),
        attack(7, type=PORT_SCAN),
        emptied(cloud),
        stolen(KEY, number=8, name="jane", kind="FederatedUser"),
        *(attack(9 + n, type=RUNTIME, resource=one) for n, one in enumerate(workloads)),
    ]


def _carry_out_all(session: boto3.Session) -> None:
    while execution.carry_out_due(session):
        pass


def test_what_a_role_does_not_allow_is_refused(cloud: Cloud, deployment: Settings) -> None:
    web, worker = boto3.Session(region_name=aws.REGION), boto3.Session(region_name=aws.REGION)
    roles.hold(web, roles.WEB)
    roles.hold(worker, roles.WORKER)

    def refused(session: boto3.Session, service: str, operation: str, **params: str) -> str:
        with pytest.raises(ClientError) as error:
            getattr(session.client(service), operation)(**params)
        return str(error.value)

    for session, role, bucket in ((worker, "WorkerRole", "other"), (web, "WebRole", "evidence")):
        told = refused(session, "s3", "put_object", Bucket=bucket, Key="x")
        assert f"{role} of threatreaction.yaml does not allow s3:PutObject" in told
        assert f"arn:aws:s3:::{bucket}/x" in told
    of_the_stack = {"RoleName": "threatreaction-WebRole-1", "PolicyName": "x"}
    told = refused(worker, "iam", "put_role_policy", **of_the_stack, PolicyDocument="{}")
    assert "does not allow iam:PutRolePolicy" in told
    assert cloud.client("s3").list_objects_v2(Bucket="evidence")["KeyCount"] == 0
