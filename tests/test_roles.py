"""The roles of deploy/threatreaction.yaml and the AWS calls of the portal are the same.

`roles.hold` refuses in every test what a role does not allow. These tests show that it refuses, and
that a role allows nothing that no test needs.
"""

from __future__ import annotations

import threading

import boto3
import pytest
from botocore.exceptions import ClientError
from pytest_django.fixtures import Settings

from actions import execution, reconcile, worker
from actions.aws import sqs
from actions.aws.sqs import Queue
from actions.models import Reaction
from actions.tests.attacks import STOLEN, attack, set_action, stolen
from actions.tests.test_worker import event, send
from findings.models import Finding
from tests import aws, roles
from tests.aws import Cloud

# What the role allows ahead of the code that needs it. Remove what the test below makes.
AHEAD = {
    "ec2:DescribeInstances",
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:GetManagedPrefixListEntries",
    "ec2:ModifyManagedPrefixList",
    "ec2:ModifyNetworkInterfaceAttribute",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "eks:DescribePodIdentityAssociation",
    "eks:ListPodIdentityAssociations",
    "guardduty:ArchiveFindings",
    "guardduty:ListDetectors",
    "iam:DeleteRolePolicy",
    "iam:DeleteUserPolicy",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:PutUserPolicy",
    "lambda:GetFunctionConfiguration",
    "route53resolver:ListFirewallDomains",
    "route53resolver:UpdateFirewallDomains",
    "sts:AssumeRole",
}
PORT_SCAN = "Recon:EC2/Portscan"


@pytest.fixture
def deployment(cloud: Cloud, settings: Settings) -> Settings:
    """The settings of a deployment with all AWS resources."""
    place = {"LocationConstraint": aws.REGION}
    cloud.client("s3").create_bucket(Bucket="evidence", CreateBucketConfiguration=place)
    settings.CONTAINMENT = "on"
    settings.BLOCK_IP_SETS = [cloud.ip_set("blocked"), cloud.ip_set("six", version=6)]
    settings.SAVE_BUCKET = "evidence"
    settings.NOTIFY_TOPIC_ARN, _ = cloud.topic_with_queue()
    settings.FINDINGS_QUEUE_URL = cloud.queue()
    return settings


@pytest.mark.django_db
def test_the_worker_needs_all_that_its_role_allows(
    cloud: Cloud, deployment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqs, "LONG_POLL", 2)
    monkeypatch.setattr(sqs, "VISIBILITY", 1)
    made: set[str] = set()
    session = boto3.Session(region_name=aws.REGION)
    roles.hold(session, roles.WORKER, lambda role, permission: made.add(permission))
    iam = cloud.client("iam")
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument="{}")
    set_action("BLOCK")
    set_action("REVOKE", finding_type=STOLEN)
    set_action("SAVE", finding_type=PORT_SCAN)
    queue = Queue(session, deployment.FINDINGS_QUEUE_URL)
    of_role = stolen("ASIA", number=3, name="deployer", kind="AssumedRole")
    findings = [attack(1), stolen(key, number=2), of_role, attack(4, type=PORT_SCAN)]
    send(cloud, queue, *map(event, findings))
    queue.count()
    messages = queue.receive()
    with queue.being_extended(messages):
        cloud.wait_for("ChangeMessageVisibilityBatch")
    while Finding.objects.count() < len(findings):  # from the end of the visibility
        worker.receive(queue, threading.Event())
    execution.carry_out_due(session)
    reconcile.reconcile(session)
    assert not Reaction.objects.filter(state__in=["pending", "failed"]).exists()
    # tests/test_database_secret.py shows that each process reads the password of the database.
    unused = roles.permissions(roles.WORKER) - made - {"secretsmanager:GetSecretValue"}
    assert unused <= AHEAD


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
