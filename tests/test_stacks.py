"""Stacks made of the templates in deploy/, on moto. docs/testing.md lists what moto cannot show."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import execution, worker
from actions.models import Reaction
from actions.tests.attacks import STOLEN, attack, set_action, stolen
from detectors import worker as events_worker
from detectors.models import Sum
from detectors.tests.traffic import bucket, file_key, packed, record
from notifications import delivery, gathering, topic
from notifications.models import Delivery
from serving import sqs
from serving.sqs import Queue
from tests.cloudformation.stacks import REGION, Stack, client
from tests.cloudformation.templates import refusals, template

PORTAL = template("threatreaction.yaml")


@pytest.fixture
def aws() -> Iterator[None]:
    from tests.cloudformation.account import account  # slow: in the process that needs it

    with account():
        yield


@pytest.fixture
def given(aws: None) -> dict[str, str]:
    """The parameters without which there is no stack."""
    acm = boto3.client("acm", region_name=REGION)
    return {
        "Image": "registry.example.com/threatreaction:1.0.0",
        "PortalHost": "portal.example.com",
        "PortalCidr1": "203.0.113.0/24",
        "CertificateArn": acm.request_certificate(DomainName="portal.example.com")[
            "CertificateArn"
        ],
    }


def block(arn: str, *addresses: str) -> None:
    """Adds addresses to an IP set, as the worker does."""
    name, set_id = arn.split("/")[-2:]
    which = {"Name": name, "Id": set_id, "Scope": "REGIONAL"}
    token = client("wafv2").get_ip_set(**which)["LockToken"]
    client("wafv2").update_ip_set(**which, Addresses=list(addresses), LockToken=token)


def blocked(arn: str) -> list[str]:
    name, set_id = arn.split("/")[-2:]
    answer = client("wafv2").get_ip_set(Name=name, Id=set_id, Scope="REGIONAL")
    return list(answer["IPSet"]["Addresses"])


def statements(role_arn: str) -> list[dict[str, Any]]:
    """Returns the statements of all inline policies of a role."""
    iam, name = client("iam"), role_arn.rpartition("/")[2]
    found = []
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        found += document["Statement"]
    return found


def environment(stack: Stack, task: str) -> dict[str, str]:
    """Returns the variables that ECS gives to the main container, with the values of secrets."""
    definition = client("ecs").describe_task_definition(taskDefinition=stack.resources()[task])
    container = definition["taskDefinition"]["containerDefinitions"][-1]
    secrets = client("secretsmanager")
    return {one["name"]: one["value"] for one in container["environment"]} | {
        one["name"]: secrets.get_secret_value(SecretId=one["valueFrom"])["SecretString"]
        for one in container["secrets"]
    }


def test_an_update_keeps_blocks_and_secrets_and_a_deletion_keeps_the_evidence(
    given: dict[str, str],
) -> None:
    stack = Stack("threatreaction", PORTAL)
    stack.create(**given)
    made = stack.resources()
    expected = {name for name, one in PORTAL["Resources"].items() if "Condition" not in one}
    assert expected <= made.keys()
    before = stack.outputs()
    block(before["BlockedIPv4Arn"], "192.88.99.1/32")
    web = environment(stack, "WebTask")

    stack.update(**given | {"Image": "registry.example.com/threatreaction:2.0.0", "WebTasks": "3"})
    after = stack.outputs()
    assert blocked(after["BlockedIPv4Arn"]) == ["192.88.99.1/32"]
    assert environment(stack, "WebTask") == web
    definition = client("ecs").describe_task_definition(taskDefinition=stack.resources()["WebTask"])
    images = {one["image"] for one in definition["taskDefinition"]["containerDefinitions"]}
    assert images == {"registry.example.com/threatreaction:2.0.0"}
    assert before == after

    stack.update(**given | {"DeletionProtection": "false"})
    stack.delete()
    assert blocked(after["BlockedIPv4Arn"]) == ["192.88.99.1/32"]
    buckets = {one["Name"] for one in client("s3").list_buckets()["Buckets"]}
    assert buckets == {
        after["SaveBucketName"],
        after["ArchiveBucketName"],
        after["AccessLogsName"],
    }
    kept = {one["ARN"] for one in client("secretsmanager").list_secrets()["SecretList"]}
    assert kept == {made["SecretKey"], made["EncryptionKeys"]}
    assert len(client("logs").describe_log_groups()["logGroups"]) == 3
    snapshots = client("rds").describe_db_cluster_snapshots(SnapshotType="manual")
    assert len(snapshots["DBClusterSnapshots"]) == 1
    assert not client("rds").describe_db_clusters()["DBClusters"]
    assert not client("iam").list_roles()["Roles"]
    assert not client("elbv2").describe_load_balancers()["LoadBalancers"]


def test_every_option_in_an_existing_network(given: dict[str, str]) -> None:
    del given["CertificateArn"]
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.1.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("abab")
    ]
    zone = client("route53").create_hosted_zone(Name="example.com", CallerReference="1")
    client("rds").create_db_cluster(
        DBClusterIdentifier="old",
        Engine="aurora-postgresql",
        MasterUsername="threatreaction",
        MasterUserPassword="only for a test",
    )
    client("rds").create_db_cluster_snapshot(
        DBClusterIdentifier="old", DBClusterSnapshotIdentifier="backup"
    )
    stack = Stack("threatreaction", PORTAL)
    stack.create(
        **given,
        HostedZoneId=zone["HostedZone"]["Id"].rpartition("/")[2],
        VpcId=vpc,
        PublicSubnets=",".join(subnets[:2]),
        PrivateSubnets=",".join(subnets[2:]),
        PortalCidr2="192.0.2.0/24",
        PortalCidr3="198.51.100.0/24",
        LicenseKey="eyJ.eyJ.sig",
        EmailUrl="smtp+tls://user:password@mail.example.com:587",
        AlarmEmail="soc@example.com",
        OidcServerUrl="https://idp.example.com",
        OidcClientId="portal",
        OidcClientSecret="only for a test",
        SecurityHub="on",
        OrganizationId="o-abcdefghij",
        MemberAccounts="all",
        EventBuckets="arn:aws:s3:::invoices",
        SingleEvents="on",
        OwnAddresses="203.0.113.7/32",
        Revoke="on",
        Isolation="on",
        BucketPolicies="on",
        ArchiveFindings="on",
        BlockIpSets=f"arn:aws:wafv2:{REGION}:210987654321:regional/ipset/more/1f-2e",
        BlockPrefixLists=f"arn:aws:ec2:{REGION}:123456789012:prefix-list/pl-0123456789abcdef0",
        BlockDomainLists=f"arn:aws:route53resolver:{REGION}:123456789012:firewall-domain-list/rslvr-fdl-1,"
        f"arn:aws:route53resolver:{REGION}:123456789012:firewall-domain-list/rslvr-fdl-2",
        NotificationTopics=f"arn:aws:sns:{REGION}:210987654321:soc",
        NotifyAllowedNetworks="10.20.0.0/16,fd12::/16",
        ObjectLockDays="30",
        DatabaseInstances="1",
        DatabaseSnapshot="backup",
        ImageRepositoryArn=f"arn:aws:ecr:{REGION}:123456789012:repository/threatreaction",
        MaintenanceImage="registry.example.com/threatreaction:2.0.0",
    )
    made = stack.resources()
    assert "Vpc" not in made and "DatabaseInstanceB" not in made
    assert client("elbv2").describe_load_balancers()["LoadBalancers"][0]["VpcId"] == vpc
    web = environment(stack, "WebTask")
    assert web["LICENSE_KEY"] == "eyJ.eyJ.sig"
    assert web["OIDC_CLIENT_SECRET"] == "only for a test"
    assert web["EMAIL_URL"].startswith("smtp+tls://")
    assert web["NOTIFY_ALLOWED_NETWORKS"] == "10.20.0.0/16,fd12::/16"
    assert not refusals(PORTAL, given | {"CertificateArn": "", "HostedZoneId": "Z0123456789"})


@pytest.mark.one_database  # calls to AWS
@pytest.mark.django_db
def test_the_worker_contains_with_the_environment_of_the_stack(
    given: dict[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack("threatreaction", PORTAL)
    stack.create(**given, Containment="on", Revoke="on")
    variables = environment(stack, "WorkerTask")
    settings.CONTAINMENT = variables["CONTAINMENT"]
    settings.BLOCK_IP_SETS = variables["BLOCK_IP_SETS"].split(",")
    settings.SAVE_BUCKET = variables["SAVE_BUCKET"]
    settings.NOTIFY_TOPIC_ARN = variables["NOTIFY_TOPIC_ARN"]
    topic.set_up()
    iam = client("iam")
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument="{}")
    set_action("BLOCK")
    set_action("SAVE", severity="LOW")
    set_action("REVOKE", finding_type=STOLEN)
    for detail in (
        attack(1, "192.88.99.1", "2a00:1450::1"),
        attack(2, severity=2),
        stolen(key, number=3),
        stolen("ASIAIOSFODNN7EXAMPLE", number=4, name="deployer", kind="AssumedRole"),
    ):
        event = {"Source": "aws.guardduty", "DetailType": "GuardDuty Finding"}
        client("events").put_events(Entries=[event | {"Detail": json.dumps(detail)}])

    # moto ignores the condition of a policy: this one would refuse all, not only without TLS.
    client("s3").delete_bucket_policy(Bucket=settings.SAVE_BUCKET)
    session = boto3.Session(region_name=REGION)
    monkeypatch.setattr(sqs, "LONG_POLL", 0)
    worker.receive(Queue(session, variables["FINDINGS_QUEUE_URL"]), threading.Event())
    while execution.carry_out_due(session):
        pass
    gathering.gather(timezone.now())
    delivery.deliver_due()

    done = Reaction.objects.filter(state="done").values_list("kind", flat=True)
    assert set(done) == {"BLOCK", "REVOKE", "SAVE"}
    assert list(Delivery.objects.values_list("state", flat=True)) == ["delivered"] * 4
    outputs = stack.outputs()
    assert blocked(outputs["BlockedIPv4Arn"]) == ["192.88.99.1/32"]
    assert blocked(outputs["BlockedIPv6Arn"]) == ["2a00:1450::1/128"]


@pytest.mark.one_database  # calls to AWS
@pytest.mark.django_db
def test_a_log_file_in_the_bucket_of_the_trail_is_counted(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack("threatreaction", PORTAL)
    both = "arn:aws:s3:::invoices,arn:aws:s3:::backups"
    stack.create(**given, EventBuckets=both, DeletionProtection="false")
    cloudtrail, s3 = client("cloudtrail"), client("s3")
    (trail,) = cloudtrail.describe_trails()["trailList"]
    logs = stack.outputs()["EventLogsName"]
    assert (trail["Name"], trail["S3BucketName"]) == ("threatreaction-events", logs)
    assert cloudtrail.get_trail_status(Name=trail["Name"])["IsLogging"]
    policy = json.loads(s3.get_bucket_policy(Bucket=logs)["Policy"])
    (writer,) = [one for one in policy["Statement"] if one["Action"] == "s3:PutObject"]
    assert writer["Condition"]["StringEquals"]["aws:SourceArn"] == trail["TrailARN"]
    selectors = cloudtrail.get_event_selectors(TrailName=trail["Name"])["AdvancedEventSelectors"]
    fields = [{one["Field"]: one for one in each["FieldSelectors"]} for each in selectors]
    (data,) = [each for each in fields if each["eventCategory"]["Equals"] == ["Data"]]
    assert data["resources.ARN"]["StartsWith"] == [
        "arn:aws:s3:::invoices/",
        "arn:aws:s3:::backups/",
    ]
    assert "readOnly" not in data  # reads and writes

    bucket()
    s3.delete_bucket_policy(Bucket=logs)  # moto ignores its condition
    content = packed(record(at=timezone.now()) for _ in range(3))
    digest = file_key().replace("/CloudTrail/", "/CloudTrail-Digest/")
    for key in (file_key(), digest):
        s3.put_object(Bucket=logs, Key=key, Body=content)
    session = boto3.Session(region_name=REGION)
    monkeypatch.setattr(sqs, "LONG_POLL", 0)
    queue = Queue(session, environment(stack, "EventsTask")["EVENTS_QUEUE_URL"])
    queue.count()
    assert queue.counts["visible"] == 2  # the log file, and the test event of S3
    events_worker.receive(queue, events_worker.s3_of(session), threading.Event())
    assert Sum.objects.get().count == 3
    queue.count()
    assert set(queue.counts.values()) == {0}

    stack.delete()
    assert logs in {one["Name"] for one in s3.list_buckets()["Buckets"]}  # the evidence
    assert not cloudtrail.describe_trails()["trailList"]


def test_only_the_worker_assumes_the_role_of_a_member(aws: None) -> None:
    worker_role = "arn:aws:iam::123456789012:role/threatreaction-WorkerRole-1"
    stack = Stack("member", template("member.yaml"))
    stack.create(WorkerRoleArn=worker_role, ExternalId="threatreaction-123456789012")
    role = client("iam").get_role(RoleName="ThreatReactionContainment")["Role"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": worker_role}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "threatreaction-123456789012"}}
    stack.delete()
    assert not client("iam").list_roles()["Roles"]
    stack.create(WorkerRoleArn=worker_role, ExternalId="threatreaction-123456789012", Revoke="off")
    assert {one["Effect"] for one in statements(role["Arn"])} == {"Deny"}


def test_another_region_forwards_its_findings(aws: None) -> None:
    home = f"arn:aws:events:{REGION}:123456789012:event-bus/threatreaction-findings"
    stack = Stack("forwarder", template("forwarder.yaml"))
    events = client("events")
    stack.create(HomeBusArn=home)
    assert len(events.list_rules()["Rules"]) == 1
    stack.delete()
    stack.create(HomeBusArn=home, SecurityHub="on", AlarmEmail="soc@example.com")
    (alarm,) = client("cloudwatch").describe_alarms()["MetricAlarms"]
    (subscribed,) = client("sns").list_subscriptions()["Subscriptions"]
    assert alarm["AlarmActions"] == [subscribed["TopicArn"]]
    undelivered = stack.outputs()["UndeliveredUrl"].rpartition("/")[2]
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": undelivered}]
    rules = [one["Name"] for one in events.list_rules()["Rules"]]
    assert len(rules) == 4
    for rule in rules:
        (target,) = events.list_targets_by_rule(Rule=rule)["Targets"]
        assert target["Arn"] == home
    stack.delete()
    assert not events.list_rules()["Rules"]
