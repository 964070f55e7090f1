"""Groups the facts about Kubernetes workloads and users, ECS tasks and containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from findings.guardduty.entities import Kind, workload_name
from findings.guardduty.facts import Group, all_of, fact, group, text_of, told
from findings.guardduty.lenient_json import each, field, text_in


def groups(resource: Any) -> Iterator[Group]:
    """Yields the Kubernetes workload and user, the ECS task and each container."""
    workload = field(resource, "kubernetesDetails", "kubernetesWorkloadDetails")
    name = workload_name(workload)
    yield group(
        "Kubernetes workload",
        fact("Workload", name, kind=Kind.WORKLOAD, name=name),
        told(
            workload,
            {"Kind": "type", "Namespace": "namespace", "Service account": "serviceAccountName"},
        ),
        all_of(
            workload,
            skip=("name", "type", "namespace", "serviceAccountName", "containers"),
        ),
    )
    yield group(
        "Kubernetes user",
        all_of(field(resource, "kubernetesDetails", "kubernetesUserDetails")),
    )
    cluster = field(resource, "ecsClusterDetails")
    task = field(cluster, "taskDetails")
    arn = text_in(field(task, "arn"), 512)
    yield group(
        "ECS task",
        fact("Task", arn, kind=Kind.TASK, name=arn),
        told(
            task,
            {
                "Task definition": "definitionArn",
                "Version": "version",
                "Launch type": "launchType",
                "Group": "group",
                "Started by": "startedBy",
                "Started": "startedAt",
                "Created": "createdAt",
            },
        ),
        all_of(
            task,
            skip=(
                "arn",
                "definitionArn",
                "version",
                "launchType",
                "group",
                "startedBy",
                "startedAt",
                "createdAt",
                "containers",
            ),
        ),
    )
    for container in (
        *each(field(resource, "containerDetails")),
        *each(field(task, "containers")),
        *each(field(workload, "containers")),
    ):
        name = text_of(field(container, "id")) or text_of(field(container, "name"))
        yield group(
            f"Container {text_of(field(container, 'name'))}".rstrip(),
            fact("Name", field(container, "name"), kind=Kind.CONTAINER, name=name),
            told(
                container,
                {
                    "Image": "image",
                    "ID": "id",
                    "Runtime": "containerRuntime",
                    "Privileged": "securityContext.privileged",
                },
            ),
            all_of(container, skip=("name", "image", "id", "containerRuntime", "securityContext")),
        )
