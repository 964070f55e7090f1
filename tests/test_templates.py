"""The CloudFormation templates in deploy/. docs/testing.md lists what moto cannot show."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from pytest_django.fixtures import Settings

from actions import execution, monitor, worker
from actions.aws import sqs
from actions.aws.sqs import Queue
from actions.models import Reaction
from actions.tests.attacks import STOLEN, attack, set_action, stolen
from tests import cloudformation, documented
from tests.cloudformation import REGION, Stack, account, refusals, template

PORTAL = template("threatreaction.yaml")
TASKS = {"WebTask": "web", "WorkerTask": "worker", "MaintenanceTask": "maintenance"}

# What settings read and the template does not set, and why.
NOT_IN_THE_TEMPLATE = {
    "DATABASE_URL",  # it would hold a password; DATABASE_HOST and the others replace it
    "DOTENV_PATH",  # the image has no .env file
    "DEBUG",  # never in production
    "LICENSE_PUBLIC_KEY_PATH",  # the key is in the image
    "PANEL_URL",  # the vendor's
}
# Read by boto3.
NOT_IN_SETTINGS = {"AWS_DEFAULT_REGION"}


@pytest.fixture
def aws() -> Iterator[None]:
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


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


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


# --- Stacks ---------------------------------------------------------------------------------------


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
    assert buckets == {after["SaveBucketName"], after["AccessLogsName"]}
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
        Revoke="on",
        Isolation="on",
        ArchiveFindings="on",
        BlockPrefixLists=f"arn:aws:ec2:{REGION}:123456789012:prefix-list/pl-0123456789abcdef0",
        BlockDomainLists=f"arn:aws:route53resolver:{REGION}:123456789012:firewall-domain-list/rslvr-fdl-1,"
        f"arn:aws:route53resolver:{REGION}:123456789012:firewall-domain-list/rslvr-fdl-2",
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
    assert not refusals(PORTAL, given | {"CertificateArn": "", "HostedZoneId": "Z0123456789"})


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

    done = Reaction.objects.filter(state="done").values_list("kind", flat=True)
    assert set(done) == {"BLOCK", "REVOKE", "SAVE", "NOTIFY"}
    outputs = stack.outputs()
    assert blocked(outputs["BlockedIPv4Arn"]) == ["192.88.99.1/32"]
    assert blocked(outputs["BlockedIPv6Arn"]) == ["2a00:1450::1/128"]


def test_the_portal_reads_its_password_and_does_nothing_else_in_aws() -> None:
    (policy,) = PORTAL["Resources"]["WebRole"]["Properties"]["Policies"]
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Sid": "DatabasePassword",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]},
        }
    ]
    assert PORTAL["Resources"]["WebTask"]["Properties"]["TaskRoleArn"] == {
        "Fn::GetAtt": ["WebRole", "Arn"]
    }


def test_the_worker_can_change_no_role_of_its_stack() -> None:
    """By path: CloudFormation shortens the name of the stack in the names of roles."""
    stack_roles = [
        one["Properties"] for one in PORTAL["Resources"].values() if one["Type"] == "AWS::IAM::Role"
    ]
    assert all(one["Path"] == {"Fn::Sub": "/${AWS::StackName}/"} for one in stack_roles)
    (policy,) = PORTAL["Resources"]["WorkerRole"]["Properties"]["Policies"]
    (denied,) = (
        one for one in policy["PolicyDocument"]["Statement"] if one.get("Effect") == "Deny"
    )
    assert denied["Action"] == ["iam:PutRolePolicy", "iam:DeleteRolePolicy"]
    assert denied["Resource"]["Fn::Sub"].endswith(":role/${AWS::StackName}/*")


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


def test_a_member_account_allows_the_worker_what_the_home_account_does() -> None:
    def of(document: dict[str, Any], role: str) -> dict[str, Any]:
        (policy,) = document["Resources"][role]["Properties"]["Policies"]
        statements = policy["PolicyDocument"]["Statement"]
        conditional = [one["Fn::If"] for one in statements if "Fn::If" in one]
        both = {"CanIsolate", "CanRevoke"}
        return {one["Sid"]: one for condition, one, _ in conditional if condition in both}

    assert of(template("member.yaml"), "Role") == of(PORTAL, "WorkerRole")


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


# --- Parameters -----------------------------------------------------------------------------------

REQUIRED = {
    "Image": "registry.example.com/threatreaction:1.0.0",
    "PortalHost": "portal.example.com",
    "PortalCidr1": "203.0.113.0/24",
    "HostedZoneId": "Z0123456789",
}


def test_the_required_parameters_are_enough() -> None:
    assert refusals(PORTAL, REQUIRED) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Image", "registry.example.com/threatreaction"),  # the version is not fixed
        ("PortalHost", "https://portal.example.com"),
        ("PortalHost", "Portal.example.com"),
        ("PortalCidr1", "203.0.113.0"),
        ("PortalCidr1", ""),
        ("PortalCidr1", "203.0.113.0/33"),
        ("CertificateArn", "arn:aws:iam::123456789012:server-certificate/old"),
        ("LicenseKey", "eyJ eyJ"),
        ("Containment", "off"),
        ("BlockFor", "7"),
        ("NeverBlock", "office"),
        ("MaxContainmentsPerHour", "0"),
        ("BlockFor", "a week"),
        ("BlockPrefixLists", "pl-0123456789abcdef0"),
        ("BlockPrefixLists", "arn:aws:ec2:eu-central-1:123456789012:prefix-list/pl-0,"),
        ("QuarantineGroups", "quarantine"),
        ("OrganizationId", "example"),
        ("MemberAccounts", "some"),
        ("MemberAccounts", "12345678901"),
        ("VpcPrefix", "10.256"),
        ("VpcPrefix", "192.168"),
        ("WebTasks", "1"),
        ("DatabaseVersion", "17.4"),
        ("DatabaseMinCapacity", "0.25"),
        ("BackupDays", "36"),
        ("LogDays", "7"),
        ("OidcServerUrl", "http://idp.example.com"),
        ("EmailUrl", "mail.example.com"),
        ("PrivateSubnets", "subnet-01234567"),  # one is not enough
        ("Unknown", "1"),
    ],
)
def test_a_parameter_out_of_range_is_refused(name: str, value: str) -> None:
    assert name in refusals(PORTAL, REQUIRED | {name: value})


def test_parameters_that_do_not_fit_together_are_refused() -> None:
    without = {name: value for name, value in REQUIRED.items() if name != "HostedZoneId"}
    assert refusals(PORTAL, without) == ["Give CertificateArn or HostedZoneId."]
    assert refusals(PORTAL, REQUIRED | {"VpcId": "vpc-01234567"}) == [
        "With VpcId, give PublicSubnets and PrivateSubnets."
    ]
    subnets = {"PrivateSubnets": "subnet-01234567,subnet-12345678"}
    assert refusals(PORTAL, REQUIRED | subnets) == [
        "Without VpcId, PublicSubnets and PrivateSubnets must be empty."
    ]
    oidc = {"OidcServerUrl": "https://idp.example.com"}
    assert refusals(PORTAL, REQUIRED | oidc) == [
        "With OidcServerUrl, give OidcClientId and OidcClientSecret."
    ]


def test_every_parameter_is_described_grouped_and_limited() -> None:
    interface = PORTAL["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in interface for name in group["Parameters"]]
    assert sorted(grouped) == sorted(PORTAL["Parameters"])
    free_text = {"OidcName", "OidcClientId", "OidcClientSecret"}
    for name, one in PORTAL["Parameters"].items():
        assert one["Description"]
        limited = {"AllowedPattern", "AllowedValues", "MinValue"} & one.keys()
        assert limited or name in free_text, name
        assert "AllowedPattern" not in one or one["ConstraintDescription"], name


# --- Tasks ----------------------------------------------------------------------------------------


def containers(task: str) -> dict[str, dict[str, Any]]:
    definitions = PORTAL["Resources"][task]["Properties"]["ContainerDefinitions"]
    return {one["Name"]: one for one in definitions}


def variables(container: dict[str, Any], kind: str) -> dict[str, Any]:
    """Returns the variables of a container: name to value; secrets also under a condition."""
    value = {"Environment": "Value", "Secrets": "ValueFrom"}[kind]
    given = [one["Fn::If"][1] if "Fn::If" in one else one for one in container[kind]]
    found = {one["Name"]: one[value] for one in given}
    assert len(found) == len(given)  # none twice
    return found


def test_the_template_sets_what_the_settings_read() -> None:
    read = documented.read_in("threatreaction/settings.py", documented.SHARED)
    web = containers("WebTask")["web"]
    given = variables(web, "Environment").keys() | variables(web, "Secrets").keys()
    assert given - NOT_IN_SETTINGS == read - NOT_IN_THE_TEMPLATE


def test_all_tasks_have_the_same_environment() -> None:
    web = containers("WebTask")
    for task, name in TASKS.items():
        for kind in ("Environment", "Secrets"):
            assert containers(task)[name][kind] == web["web"][kind]
    for task in ("WebTask", "WorkerTask"):
        for kind in ("Environment", "Secrets"):
            of_release = variables(containers(task)["release"], kind)
            assert of_release.items() <= variables(web["web"], kind).items()


def test_no_secret_is_in_a_task_definition() -> None:
    secret = {name for name, one in PORTAL["Parameters"].items() if one.get("NoEcho")}
    assert {"LicenseKey", "EmailUrl", "OidcClientSecret"} == secret
    tasks = json.dumps([PORTAL["Resources"][task] for task in TASKS])
    for name in secret:
        assert f'"{name}"' not in tasks and f"${{{name}}}" not in tasks
    named = variables(containers("WebTask")["web"], "Environment")
    assert not [
        name
        for name in named
        if name.endswith(("_KEY", "_KEYS", "_TOKEN", "SECRET", "PASSWORD", "EMAIL_URL"))
    ]


def test_web_and_worker_wait_for_release_and_return_when_it_fails() -> None:
    for task, name in (("WebTask", "web"), ("WorkerTask", "worker")):
        release, main = containers(task)["release"], containers(task)[name]
        assert main["DependsOn"] == [{"ContainerName": "release", "Condition": "SUCCESS"}]
        assert release["Image"] == main["Image"]
        service = PORTAL["Resources"][name.capitalize()]["Properties"]
        breaker = service["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
        assert breaker == {"Enable": True, "Rollback": True}


def test_no_parameter_changes_an_ip_set() -> None:
    """CloudFormation writes the addresses of the template if any property of a set changes."""
    for name, version in (("BlockedIPv4", "IPV4"), ("BlockedIPv6", "IPV6")):
        assert PORTAL["Resources"][name]["Properties"] == {
            "Scope": "REGIONAL",
            "IPAddressVersion": version,
            "Addresses": [],
        }


def test_alarms_and_dashboard_use_the_metrics_of_the_worker() -> None:
    alarms = {
        one["Properties"]["MetricName"]
        for one in PORTAL["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
        and one["Properties"].get("Namespace") == monitor.NAMESPACE
    }
    assert alarms | {"PendingActions"} == monitor.UNITS.keys()
    body = json.loads(PORTAL["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    shown = {
        name
        for widget in body["widgets"]
        for metric in widget["properties"]["metrics"]
        for name in metric
        if isinstance(name, str)
    }
    assert monitor.UNITS.keys() <= shown


def test_the_helper_refuses_as_cloudformation_does() -> None:
    """The patterns match the whole value."""
    document = {"Parameters": {"Name": {"Type": "String", "AllowedPattern": "[a-z]+"}}}
    assert cloudformation.refusals(document, {"Name": "abc"}) == []
    assert cloudformation.refusals(document, {"Name": "abc1"}) == ["Name"]
    assert cloudformation.refusals(document, {}) == ["Name"]
