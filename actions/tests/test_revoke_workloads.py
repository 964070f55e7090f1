"""REVOKE of the roles behind functions, tasks and pods, and RESTORE."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from django.contrib.auth.models import User

from actions.execution import carry_out_due
from actions.models import Reaction
from actions.tests.attacks import arrive, attack
from actions.tests.credentials import (
    RUNTIME,
    a_cluster,
    a_function,
    a_pod,
    a_task,
    denied_before,
    restore,
    role,
    trusted,
)
from tests.aws import REGION, Cloud

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database,  # calls to AWS
    pytest.mark.usefixtures("revokes"),
]


@pytest.mark.parametrize(
    ("subject", "by"), [("web:front", "StringEquals"), ("web:*", "StringLike")]
)
def test_the_role_that_an_annotation_names_is_found_by_its_trust_policy(
    cloud: Cloud, session: boto3.Session, subject: str, by: str
) -> None:
    resource = a_cluster(cloud)
    trusted(cloud, "worker", subject, by=by)
    trusted(cloud, "other", "web:backend")
    trusted(cloud, "literal", "web:*")  # StringEquals: no pattern
    arrive(attack(1, type=RUNTIME, resource=resource, region=REGION))
    carry_out_due(session)
    assert denied_before(cloud, "worker")
    trusted(cloud, "second", "web:front")
    arrive(attack(2, type=RUNTIME, resource=resource, region=REGION))
    carry_out_due(session)
    told = Reaction.objects.get(state="prevented").outcome
    assert "role/second" in told
    assert "role/worker" in told


@pytest.mark.parametrize("behind", [a_function, a_task, a_pod])
def test_the_role_behind_a_workload_is_revoked_and_given_back(
    cloud: Cloud, session: boto3.Session, operator: User, behind: Any
) -> None:
    role(cloud, "worker")
    arrive(attack(1, type=RUNTIME, resource=behind(cloud), region=REGION))
    carry_out_due(session)
    assert denied_before(cloud, "worker")
    restore(session, operator)
    assert cloud.role_policy("123456789012", "worker") is None


def test_a_pattern_of_an_attacker_does_not_hold_up_the_worker(
    cloud: Cloud, session: boto3.Session
) -> None:
    resource = a_cluster(cloud)
    pod = resource["kubernetesDetails"]["kubernetesWorkloadDetails"]
    pod["serviceAccountName"] = "a" * 60
    trusted(cloud, "slow", f"web:{'*a' * 30}*b", by="StringLike")
    arrive(attack(1, type=RUNTIME, resource=resource, region=REGION))
    carry_out_due(session)
    assert Reaction.objects.get().state == "prevented"


def test_a_pod_without_a_role_says_so(cloud: Cloud, session: boto3.Session) -> None:
    arrive(attack(1, type=RUNTIME, resource=a_cluster(cloud), region=REGION))
    carry_out_due(session)
    assert "web/front has no role" in Reaction.objects.get(state="prevented").outcome


def test_a_role_of_another_account_is_left_alone(cloud: Cloud, session: boto3.Session) -> None:
    role(cloud, "worker")  # of the same name
    resource = a_pod(cloud)
    cloud.more.pod_roles["shop", "web", "front"] = "arn:aws:iam::210987654321:role/worker"
    arrive(attack(1, type=RUNTIME, resource=resource))
    carry_out_due(session)
    assert "another account" in Reaction.objects.get(state="failed").outcome
    assert cloud.role_policy("123456789012", "worker") is None


def test_a_workload_without_a_region_is_not_looked_for_elsewhere(
    cloud: Cloud, session: boto3.Session
) -> None:
    role(cloud, "worker")
    arrive(attack(1, type=RUNTIME, resource=a_function(cloud), region=""))
    carry_out_due(session)
    assert "no region" in Reaction.objects.get(state="failed").outcome
    assert cloud.role_policy("123456789012", "worker") is None
