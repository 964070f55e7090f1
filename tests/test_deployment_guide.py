"""docs/deployment.md: its commands, names and sums."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from typing import Any

import botocore.session
import psycopg
import pytest
from botocore import xform_name
from django.core.management import get_commands

from tests import postgresql
from tests.cloudformation.templates import refusals, template
from tests.server import ROOT, manage

GUIDE = (ROOT / "docs/deployment.md").read_text()
PORTAL = template("threatreaction.yaml")

# Commands that the AWS CLI has beside the operations of the API.
OF_THE_CLI = {"cloudformation deploy", "s3 mb", "ecr get-login-password", "ecs execute-command"}
# Options of the AWS CLI itself.
GENERAL = {"region", "query", "output"}
# Options of the AWS CLI in place of members of the API.
RENAMED = {"max-items"}


def commands() -> set[str]:
    """Returns the `aws` commands of the guide and of the output FirstAdministrator."""
    blocks = re.findall(r"^ {4,}(aws (?:.*\\\n)*.*)$", GUIDE, re.M)
    inline = re.findall(r"`(aws [^`]+)`", GUIDE)
    output = PORTAL["Outputs"]["FirstAdministrator"]["Value"]["Fn::Sub"][0]
    in_output = re.findall(r"aws [^;]+", output.replace("--output text)", "--output text"))
    whole = (re.sub(r"\s*\\\n\s*", " ", one).partition(" | ")[0] for one in blocks + inline)
    return {*whole, *in_output}


def test_aws_has_each_command_with_its_options() -> None:
    session = botocore.session.get_session()
    assert len(commands()) > 30
    for command in commands():
        _, service, operation, *rest = shlex.split(command)
        if f"{service} {operation}" in OF_THE_CLI or operation == "wait":
            continue
        model = session.get_service_model("s3" if service == "s3api" else service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        shape = model.operation_model(names[operation]).input_shape
        members = {xform_name(name, "-") for name in shape.members} | {
            f"no-{xform_name(name, '-')}" for name in shape.members
        }
        options = {one[2:] for one in rest if one.startswith("--")} - GENERAL
        assert options - RENAMED <= members, command
        assert {xform_name(name, "-") for name in shape.required_members} <= options, command


def test_the_parameters_of_the_first_half_hour_are_accepted() -> None:
    (block,) = re.findall(r"^ {8}(\[\n.+?^ {8}\])$", GUIDE, re.M | re.S)
    given = dict(one.split("=", 1) for one in json.loads(block))
    assert refusals(PORTAL, given) == []
    later = re.findall(r'^ {10}"(\w+)=(\w+)",$', GUIDE, re.M)
    assert refusals(PORTAL, given | dict(later)) == []


def test_the_stack_policy_names_resources_and_protects_the_ip_sets() -> None:
    statements = json.loads((ROOT / "deploy/stack-policy.json").read_text())["Statement"]
    named = {
        one.removeprefix("LogicalResourceId/"): statement["Action"]
        for statement in statements[1:]
        for one in statement["Resource"]
    }
    assert named.keys() <= PORTAL["Resources"].keys()
    assert named["BlockedIPv4"] == named["BlockedIPv6"] == "Update:*"


def test_it_explains_every_alarm_and_all_that_a_deletion_keeps() -> None:
    to_people = {
        name
        for name, one in PORTAL["Resources"].items()
        if one["Type"] == "AWS::CloudWatch::Alarm"
        and one["Properties"]["AlarmActions"] == [{"Ref": "Alarms"}]
    }
    table = GUIDE.partition("## Alarms")[2].partition("## ")[0]
    firsts = re.findall(r"^\| (`.+?) \|", table, re.M)
    assert to_people == {name for first in firsts for name in re.findall(r"\w+", first)}
    kept = {
        one["Type"]
        for one in PORTAL["Resources"].values()
        if one.get("DeletionPolicy") in {"Retain", "Snapshot"}
    }
    assert kept == {
        "AWS::Logs::LogGroup",
        "AWS::RDS::DBCluster",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
        "AWS::WAFv2::IPSet",
    }  # the table under "Leave"


def test_it_names_outputs_and_commands_that_exist() -> None:
    for name in re.findall(r"outputs? `(\w+)`", GUIDE):
        outputs = PORTAL["Outputs"].keys() | template("forwarder.yaml")["Outputs"].keys()
        assert name in outputs
    named = re.findall(r"manage (\w+)[`)]", GUIDE) + re.findall(r'"manage", "(\w+)"', GUIDE)
    scheduled = re.findall(r'"manage", "(\w+)"', json.dumps(PORTAL).replace("\\", ""))
    assert named and scheduled
    assert {*named, *scheduled} <= get_commands().keys()


@pytest.mark.parametrize(
    ("title", "last"),
    [("\n## Costs\n", "a month"), ("### Costs of S3 events", "a month of events")],
)
def test_the_costs_add_up(title: str, last: str) -> None:
    section = GUIDE.partition(title)[2].partition("## ")[0]
    rows = [
        [cell.strip(" *").replace(",", "") for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    prices = {row[0]: float(row[2]) for row in rows if len(row) == 3 and row[0].isupper()}
    sums = [0.0, 0.0, 0.0]
    for row in rows:
        if len(row) == 8 and row[1] in prices:
            for size in range(3):
                quantity, cost = float(row[2 + 2 * size]), float(row[3 + 2 * size])
                assert cost == pytest.approx(quantity * prices[row[1]], abs=0.006), row
                sums[size] += cost
    (total,) = [row for row in rows if row[0] == last]
    assert [float(total[place]) for place in (3, 5, 7)] == pytest.approx(sums)
    of_events = "events" in last
    alarms = [
        one
        for one in PORTAL["Resources"].values()
        if one["Type"].endswith("::Alarm") and ("Condition" in one) is of_events
    ]
    (counted,) = [row for row in rows if row[0] == "alarms"]
    scaling = 0 if of_events else 2  # the alarms of the scaling by CPU
    assert int(counted[2]) == len(alarms) + scaling


def test_a_restored_copy_has_all_rows_and_keeps_its_histories() -> None:
    lines = re.findall(r"^ {4}((?:pg_dump|createdb|pg_restore) .+)$", GUIDE, re.M)
    assert len(lines) == 3
    with postgresql.cluster() as url:
        folder = url.partition("@/")[2].rpartition("/")[0]
        original, copy = (
            f"postgresql://{postgresql.SUPERUSER}@/{name}?host={folder}"
            for name in ("postgres", "copy")
        )
        variables = {"DATABASE_URL": original, "MAINTENANCE_URL": original, "COPY_URL": copy}
        sample = ("samplefinding", "UnauthorizedAccess:EC2/SSHBruteForce", "--severity", "HIGH")
        done = manage(os.environ | {"DATABASE_URL": url}, "migrate", "-v0")
        assert done.returncode == 0, done.stderr
        done = manage(os.environ | {"DATABASE_URL": url}, *sample)
        assert done.returncode == 0, done.stderr
        for line in lines:
            program, _, rest = line.partition(" ")
            command = f"{postgresql.program(program)} {rest}"
            dump = f"{folder}/threatreaction.dump"
            subprocess.run(
                ["sh", "-c", command.replace("threatreaction.dump", dump)],
                check=True,
                env=os.environ | variables,
            )
        assert rows(copy) == rows(original)
        assert rows(copy)["findings_finding"]
        with psycopg.connect(copy) as connection, pytest.raises(psycopg.Error, match="append-only"):
            connection.execute("TRUNCATE license_license")
        at_copy = os.environ | {"DATABASE_URL": url.removesuffix("postgres") + "copy"}
        done = manage(at_copy, *sample)  # the sequences go on
        assert done.returncode == 0, done.stderr


def rows(url: str) -> dict[str, Any]:
    """Returns the rows of all tables as text, by table."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            name: sorted(connection.execute(f'SELECT t::text FROM "{name}" t').fetchall())  # noqa: S608
            for (name,) in tables.fetchall()
        }
