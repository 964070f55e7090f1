"""Tasks with their roles, scaling and alarms."""

from __future__ import annotations

import json
from typing import Any

from tests.cloudformation.registry import Properties, Resource, call, register


def _task_definition(ecs: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    made = call(ecs, "register_task_definition", properties)
    return made["taskDefinition"]["taskDefinitionArn"], {}


def _update_task_definition(ecs: Any, resource: Resource, properties: Properties) -> None:
    resource.physical_resource_id = _task_definition(ecs, "", properties)[0]


def _role(iam: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    name = properties.get("RoleName", name)
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    path = properties.get("Path", "/")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Path=path)["Role"]
    for policy in properties["Policies"]:
        document = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    return name, {"Arn": made["Arn"]}


def _delete_role(iam: Any, name: str, _: Any) -> None:
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _target(client: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    call(client, "register_scalable_target", properties)
    keys = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return "|".join(properties[key] for key in keys), {}


def _delete_target(client: Any, target: str, _: Any) -> None:
    resource, dimension, namespace = target.split("|")
    client.deregister_scalable_target(
        ResourceId=resource, ScalableDimension=dimension, ServiceNamespace=namespace
    )


def _scaling(client: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    resource, dimension, namespace = properties.pop("ScalingTargetId").split("|")
    made = call(
        client,
        "put_scaling_policy",
        properties,
        ResourceId=resource,
        ScalableDimension=dimension,
        ServiceNamespace=namespace,
    )
    return made["PolicyARN"], {}


def _delete_scaling(client: Any, arn: str, _: Any) -> None:
    for one in client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]:
        if one["PolicyARN"] == arn:
            keys = ("PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension")
            client.delete_scaling_policy(**{key: one[key] for key in keys})


def _alarm(cloudwatch: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    call(cloudwatch, "put_metric_alarm", properties, AlarmName=name)
    return name, {}


register(  # moto's drops secrets
    "AWS::ECS::TaskDefinition",
    "ecs",
    _task_definition,
    _update_task_definition,
    lambda ecs, arn, _: ecs.deregister_task_definition(taskDefinition=arn),
)
register(  # moto's does not keep policies as JSON
    "AWS::IAM::Role", "iam", _role, delete=_delete_role, attributes=("Arn",)
)
register(
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "application-autoscaling",
    _target,
    lambda client, _, new: _target(client, "", new),
    _delete_target,
)
register(
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "application-autoscaling",
    _scaling,
    lambda client, _, new: _scaling(client, "", new),
    _delete_scaling,
)
register(
    "AWS::CloudWatch::Alarm",
    "cloudwatch",
    _alarm,
    lambda client, alarm, new: _alarm(client, alarm.physical_resource_id, new),
    lambda client, name, _: client.delete_alarms(AlarmNames=[name]),
)
