"""The CloudFormation templates in deploy/, without a stack."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from actions import monitor
from tests import documented
from tests.cloudformation.templates import refusals, template
from tests.server import ROOT

PORTAL = template("threatreaction.yaml")
TASKS = {
    "WebTask": "web",
    "WorkerTask": "worker",
    "EventsTask": "events",
    "MaintenanceTask": "maintenance",
}

# What settings read and the template does not set, and why.
NOT_IN_THE_TEMPLATE = {
    "DATABASE_URL",  # it would hold a password; DATABASE_HOST and the others replace it
    "COMMIT",  # the image sets it
    "DOTENV_PATH",  # the image has no .env file
    "DEBUG",  # never in production
    "LICENSE_PUBLIC_KEY_PATH",  # the key is in the image
    "PANEL_URL",  # the vendor's
    "HSTS_PRELOAD",  # a decision about the whole domain
}
# Read by boto3.
NOT_IN_SETTINGS = {"AWS_DEFAULT_REGION"}


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


def test_a_member_account_allows_the_worker_what_the_home_account_does() -> None:
    def of(document: dict[str, Any], role: str) -> dict[str, Any]:
        (policy,) = document["Resources"][role]["Properties"]["Policies"]
        statements = policy["PolicyDocument"]["Statement"]
        conditional = [one["Fn::If"] for one in statements if "Fn::If" in one]
        both = {"CanIsolate", "CanRevoke", "HasMoreIpSets", "HasPrefixLists", "HasDomainLists"}
        return {one["Sid"]: one for condition, one, _ in conditional if condition in both}

    assert of(template("member.yaml"), "Role") == of(PORTAL, "WorkerRole")


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
        ("BlockIpSets", "blocked"),
        ("QuarantineGroups", "quarantine"),
        ("OrganizationId", "example"),
        ("MemberAccounts", "some"),
        ("MemberAccounts", "12345678901"),
        ("EventBuckets", "invoices"),
        ("EventBuckets", "arn:aws:s3:::invoices/*"),
        ("EventBuckets", "arn:aws:s3:::invoices, arn:aws:s3:::backups"),
        ("EventLogDays", "1"),
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
    for task in ("WebTask", "WorkerTask", "EventsTask"):
        for kind in ("Environment", "Secrets"):
            of_release = variables(containers(task)["release"], kind)
            assert of_release.items() <= variables(web["web"], kind).items()


def test_the_image_has_each_command_of_a_task() -> None:
    cases = re.findall(r"^(\w+)\)$", (ROOT / "deploy/entrypoint").read_text(), re.M)
    for task in TASKS:
        for name, container in containers(task).items():
            assert container["Command"][0] in cases, name
            health = container.get("HealthCheck", {"Command": ["health"]})
            assert health["Command"][-1] in cases, name


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
    for task, name in (("WebTask", "web"), ("WorkerTask", "worker"), ("EventsTask", "events")):
        release, main = containers(task)["release"], containers(task)[name]
        assert main["DependsOn"] == [{"ContainerName": "release", "Condition": "SUCCESS"}]
        assert release["Image"] == main["Image"]
        service = PORTAL["Resources"][name.capitalize()]["Properties"]
        breaker = service["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
        assert breaker == {"Enable": True, "Rollback": True}


def test_all_of_the_trail_is_off_unless_buckets_are_given() -> None:
    off = {name for name, one in PORTAL["Resources"].items() if "Event" in name or name == "Trail"}
    assert {"Trail", "EventLogs", "EventsQueue", "EventsTask", "Events", "EventsRole"} <= off
    for name in off:
        assert PORTAL["Resources"][name]["Condition"] == "WatchesBuckets", name


def test_the_bucket_of_the_trail_is_encrypted_versioned_closed_and_emptied() -> None:
    properties = PORTAL["Resources"]["EventLogs"]["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    closed = properties["PublicAccessBlockConfiguration"]
    assert len(closed) == 4 and all(closed.values())
    (expiry,) = properties["LifecycleConfiguration"]["Rules"]
    assert expiry["ExpirationInDays"] == {"Ref": "EventLogDays"}
    assert expiry["NoncurrentVersionExpiration"]


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
    assert refusals(document, {"Name": "abc"}) == []
    assert refusals(document, {"Name": "abc1"}) == ["Name"]
    assert refusals(document, {}) == ["Name"]
