"""The resource types that moto lacks, and an AWS account that knows them.

Each type calls the API of its service, as CloudFormation does, so that botocore and moto check its
properties. Importing this module takes seconds: moto loads every service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from moto import mock_aws
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.s3.models import FakeBucket

from tests.cloudformation.stacks import client

Properties = dict[str, Any]


@dataclass
class Resource(CloudFormationModel):
    """A resource of a type that moto lacks. Ref returns `physical_resource_id`."""

    physical_resource_id: str
    attributes: dict[str, Any]

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        """Return what Fn::GetAtt returns."""
        return self.attributes[attribute_name]

    def is_created(self) -> bool:
        """Return True."""
        return True


Create = Callable[[Any, str, Properties], tuple[str, dict[str, Any]]]
Delete = Callable[[Any, str, dict[str, Any]], object]


def _register(
    resource_type: str,
    service: str,
    create: Create,
    update: Callable[[Any, Any, Properties], object] | None = None,
    delete: Delete | None = None,
    attributes: tuple[str, ...] = (),
) -> None:
    class Registered(Resource):
        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return resource_type

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return attr in attributes

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, *_: Any, **__: Any
        ) -> Resource:
            return cls(*create(client(service), resource_name, cloudformation_json["Properties"]))

        @classmethod
        def update_from_cloudformation_json(  # type: ignore[override]
            cls, original_resource: Resource, cloudformation_json: Any, **__: Any
        ) -> Resource:
            if update:
                update(client(service), original_resource, cloudformation_json["Properties"])
            return original_resource

        @classmethod
        def delete_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, *_: Any
        ) -> None:
            if delete:
                delete(client(service), resource_name, cloudformation_json)

    # moto looks for direct subclasses, and keeps them.
    _REGISTERED[resource_type] = Registered


_REGISTERED: dict[str, Any] = {}


def _call(client: Any, operation: str, properties: Properties, **more: Any) -> Any:
    """Calls an operation with properties, whose strings get the types of the API as on AWS."""
    name = client.meta.method_to_api_mapping[operation]
    shape = client.meta.service_model.operation_model(name).input_shape
    return getattr(client, operation)(**_typed(shape, properties | more))


def _typed(shape: Any, value: Any) -> Any:
    if shape is None:
        return value
    match shape.type_name:
        case "structure":
            names = {name.lower(): name for name in shape.members}  # Arn in templates, ARN in APIs
            keys = {key: names.get(key.lower(), key) for key in value}
            return {keys[key]: _typed(shape.members.get(keys[key]), value[key]) for key in value}
        case "list":
            return [_typed(shape.member, one) for one in value]
        case "boolean":
            return value in {True, "true"}
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case _:
            return value


def _json(properties: Properties, name: str) -> Properties:
    return properties | {name: json.dumps(properties[name])}


def _ip_set(waf: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    made = _call(waf, "create_ip_set", properties, Name=name)["Summary"]
    return f"{name}|{made['Id']}|{properties['Scope']}", {"Arn": made["ARN"]}


def _update_ip_set(waf: Any, resource: Resource, properties: Properties) -> None:
    """Writes the addresses of the template, as CloudFormation does for a set that changes."""
    name, set_id, scope = resource.physical_resource_id.split("|")
    token = waf.get_ip_set(Name=name, Id=set_id, Scope=scope)["LockToken"]
    addresses = properties["Addresses"]
    waf.update_ip_set(Name=name, Id=set_id, Scope=scope, Addresses=addresses, LockToken=token)


def _delete_in_waf(kind: str) -> Delete:
    def delete(waf: Any, resource: str, _: Any) -> None:
        name, its_id, scope = resource.split("|")
        token = getattr(waf, f"get_{kind}")(Name=name, Id=its_id, Scope=scope)["LockToken"]
        getattr(waf, f"delete_{kind}")(Name=name, Id=its_id, Scope=scope, LockToken=token)

    return delete


def _web_acl(waf: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    made = _call(waf, "create_web_acl", properties, Name=name)["Summary"]
    return f"{name}|{made['Id']}|{properties['Scope']}", {"Arn": made["ARN"]}


def _association(waf: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    arn, acl = properties["ResourceArn"], properties["WebACLArn"]
    waf.associate_web_acl(WebACLArn=acl, ResourceArn=arn)
    return arn, {}


def _secret(client: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    if rule := properties.pop("GenerateSecretString", None):
        properties["SecretString"] = _call(client, "get_random_password", rule)["RandomPassword"]
    return _call(client, "create_secret", properties, Name=name)["ARN"], {}


def _update_secret(client: Any, resource: Resource, properties: Properties) -> None:
    """Writes the value of the template; CloudFormation generates a value only once."""
    if "SecretString" in properties:
        client.put_secret_value(
            SecretId=resource.physical_resource_id, SecretString=properties["SecretString"]
        )


def _cluster(rds: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    name = name.lower()
    # moto's subnet group has no physical ID.
    properties = properties | {"DBSubnetGroupName": properties["DBSubnetGroupName"].name}
    operation = "create_db_cluster"
    if "SnapshotIdentifier" in properties:
        operation = "restore_db_cluster_from_snapshot"
        assert not {"DatabaseName", "MasterUsername", "StorageEncrypted"} & properties.keys()
        for later in ("ManageMasterUserPassword", "BackupRetentionPeriod"):  # by another call
            del properties[later]
    made = _call(rds, operation, properties, DBClusterIdentifier=name)["DBCluster"]
    secret = made.get("MasterUserSecret", {}).get("SecretArn", "arn:aws:secretsmanager:restored")
    return name, {
        "Endpoint.Address": made["Endpoint"],
        "Endpoint.Port": str(made["Port"]),
        "MasterUserSecret.SecretArn": secret,
    }


def _update_cluster(rds: Any, resource: Resource, properties: Properties) -> None:
    keep = {"DeletionProtection", "BackupRetentionPeriod"}
    changed = {name: value for name, value in properties.items() if name in keep}
    name = resource.physical_resource_id
    _call(rds, "modify_db_cluster", changed, DBClusterIdentifier=name, ApplyImmediately=True)


def _delete_cluster(rds: Any, name: str, resource: dict[str, Any]) -> None:
    final = resource["DeletionPolicy"] == "Snapshot"
    rds.delete_db_cluster(
        DBClusterIdentifier=name,
        SkipFinalSnapshot=not final,
        **({"FinalDBSnapshotIdentifier": f"{name}-final"} if final else {}),
    )


def _set_of_queues(sqs: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    policy = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return name, {}


def _bucket_policy(s3: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    policy = json.dumps(properties["PolicyDocument"])
    s3.put_bucket_policy(Bucket=properties["Bucket"], Policy=policy)
    return name, {}


class _Bucket(FakeBucket):
    """moto's, which also notifies queues."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, *about: Any, **more: Any
    ) -> FakeBucket:
        made = super().create_from_cloudformation_json(
            resource_name, cloudformation_json, *about, **more
        )
        asked = cloudformation_json["Properties"].get("NotificationConfiguration", {})
        queues = [
            {
                "QueueArn": one["Queue"],
                "Events": [one["Event"]],
                "Filter": {"Key": {"FilterRules": one["Filter"]["S3Key"]["Rules"]}},
            }
            for one in asked.get("QueueConfigurations", [])
        ]
        client("s3").put_bucket_notification_configuration(
            Bucket=made.name, NotificationConfiguration={"QueueConfigurations": queues}
        )
        return made


def _trail(cloudtrail: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    selectors = properties.pop("AdvancedEventSelectors")
    is_logging = properties.pop("IsLogging")
    name = _call(cloudtrail, "create_trail", properties, Name=properties.pop("TrailName"))["Name"]
    cloudtrail.put_event_selectors(TrailName=name, AdvancedEventSelectors=selectors)
    if is_logging:
        cloudtrail.start_logging(Name=name)
    return name, {}


def _topic_policy(sns: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    policy = json.dumps(properties["PolicyDocument"])
    for arn in properties["Topics"]:
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    return name, {}


def _alarm(cloudwatch: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    _call(cloudwatch, "put_metric_alarm", properties, AlarmName=name)
    return name, {}


def _target(client: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    _call(client, "register_scalable_target", properties)
    keys = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return "|".join(properties[key] for key in keys), {}


def _delete_target(client: Any, target: str, _: Any) -> None:
    resource, dimension, namespace = target.split("|")
    client.deregister_scalable_target(
        ResourceId=resource, ScalableDimension=dimension, ServiceNamespace=namespace
    )


def _delete_scaling(client: Any, arn: str, _: Any) -> None:
    for one in client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]:
        if one["PolicyARN"] == arn:
            keys = ("PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension")
            client.delete_scaling_policy(**{key: one[key] for key in keys})


def _scaling(client: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    resource, dimension, namespace = properties.pop("ScalingTargetId").split("|")
    made = _call(
        client,
        "put_scaling_policy",
        properties,
        ResourceId=resource,
        ScalableDimension=dimension,
        ServiceNamespace=namespace,
    )
    return made["PolicyARN"], {}


def _bus_policy(events: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    statement = {"Sid": properties["StatementId"]} | properties["Statement"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    events.put_permission(EventBusName=properties["EventBusName"], Policy=policy)
    return name, {}


def _named(operation: str, key: str) -> Create:
    def create(client: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        _call(client, operation, {key: name} | properties)
        return properties.get(key, name), {}

    return create


def _certificate(acm: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    asked = {"DomainName": properties["DomainName"], "ValidationMethod": "DNS"}
    return acm.request_certificate(**asked)["CertificateArn"], {}


def _parameters(rds: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=name.lower(),
        DBParameterGroupFamily=properties["Family"],
        Description=properties["Description"],
    )
    return name.lower(), {}


def _load_balancer(elb: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    attributes = properties.pop("LoadBalancerAttributes")
    (made,) = _call(elb, "create_load_balancer", properties, Name=name[-32:])["LoadBalancers"]
    arn = made["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    return arn, {
        "LoadBalancerFullName": arn.partition("loadbalancer/")[2],
        "DNSName": made["DNSName"],
        "CanonicalHostedZoneID": made["CanonicalHostedZoneId"],
    }


def _update_load_balancer(elb: Any, balancer: Resource, properties: Properties) -> None:
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer.physical_resource_id,
        Attributes=properties["LoadBalancerAttributes"],
    )


def _target_group(elb: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    attributes = properties.pop("TargetGroupAttributes")
    (made,) = _call(elb, "create_target_group", properties, Name=name[-32:])["TargetGroups"]
    arn = made["TargetGroupArn"]
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
    return arn, {"TargetGroupFullName": arn.rpartition(":")[2]}


def _route_table(ec2: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    return ec2.create_route_table(**properties)["RouteTable"]["RouteTableId"], {}


def _delete_route_table(ec2: Any, table: str, _: Any) -> None:
    """Deletes a table after the endpoints that use it: moto has no order, and tries again."""
    for endpoint in ec2.describe_vpc_endpoints()["VpcEndpoints"]:
        assert endpoint["State"] == "deleted" or table not in endpoint["RouteTableIds"]
    ec2.delete_route_table(RouteTableId=table)


def _address(ec2: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    made = ec2.allocate_address(**properties)
    return made["PublicIp"], {"AllocationId": made["AllocationId"]}


def _nat_gateway(ec2: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    return ec2.create_nat_gateway(**properties)["NatGateway"]["NatGatewayId"], {}


def _endpoint(ec2: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    return ec2.create_vpc_endpoint(**properties)["VpcEndpoint"]["VpcEndpointId"], {}


def _role(iam: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    name = properties.get("RoleName", name)
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    path = properties.get("Path", "/")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Path=path)["Role"]
    for policy in properties["Policies"]:
        iam.put_role_policy(RoleName=name, **_json(policy, "PolicyDocument"))
    return name, {"Arn": made["Arn"]}


def _delete_role(iam: Any, name: str, _: Any) -> None:
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _task_definition(ecs: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    made = _call(ecs, "register_task_definition", properties)
    return made["taskDefinition"]["taskDefinitionArn"], {}


def _update_task_definition(ecs: Any, resource: Resource, properties: Properties) -> None:
    resource.physical_resource_id = _task_definition(ecs, "", properties)[0]


def _subscribe(sns: Any, _: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    return _call(sns, "subscribe", properties, ReturnSubscriptionArn=True)["SubscriptionArn"], {}


_register("AWS::WAFv2::IPSet", "wafv2", _ip_set, _update_ip_set, _delete_in_waf("ip_set"), ("Arn",))
_register("AWS::WAFv2::WebACL", "wafv2", _web_acl, None, _delete_in_waf("web_acl"), ("Arn",))
_register(
    "AWS::WAFv2::WebACLAssociation",
    "wafv2",
    _association,
    delete=lambda waf, arn, _: waf.disassociate_web_acl(ResourceArn=arn),
)
_register(
    "AWS::SecretsManager::Secret",
    "secretsmanager",
    _secret,
    _update_secret,
    lambda client, arn, _: client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True),
)
_register("AWS::RDS::DBCluster", "rds", _cluster, _update_cluster, _delete_cluster)
_register(  # moto's knows no Aurora
    "AWS::RDS::DBInstance",
    "rds",
    lambda rds, name, new: _named("create_db_instance", "DBInstanceIdentifier")(
        rds, name.lower(), new
    ),
    delete=lambda rds, name, _: rds.delete_db_instance(DBInstanceIdentifier=name),
)
_register(
    "AWS::RDS::DBClusterParameterGroup",
    "rds",
    _parameters,
    delete=lambda rds, name, _: rds.delete_db_cluster_parameter_group(
        DBClusterParameterGroupName=name
    ),
)
_register("AWS::SQS::QueuePolicy", "sqs", _set_of_queues)
_register("AWS::S3::BucketPolicy", "s3", _bucket_policy)
_register(
    "AWS::CloudTrail::Trail",
    "cloudtrail",
    _trail,
    delete=lambda cloudtrail, name, _: cloudtrail.delete_trail(Name=name),
)
_REGISTERED["AWS::S3::Bucket"] = _Bucket
_register("AWS::SNS::TopicPolicy", "sns", _topic_policy)
_register("AWS::SNS::Subscription", "sns", _subscribe)
_register(
    "AWS::CloudWatch::Alarm",
    "cloudwatch",
    _alarm,
    lambda client, alarm, new: _alarm(client, alarm.physical_resource_id, new),
    lambda client, name, _: client.delete_alarms(AlarmNames=[name]),
)
_register(
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "application-autoscaling",
    _target,
    lambda client, _, new: _target(client, "", new),
    _delete_target,
)
_register(
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "application-autoscaling",
    _scaling,
    lambda client, _, new: _scaling(client, "", new),
    _delete_scaling,
)
_register(  # moto's has no Ref
    "AWS::Events::EventBus",
    "events",
    lambda events, _, new: (new["Name"], {"Arn": events.create_event_bus(**new)["EventBusArn"]}),
    delete=lambda events, name, _: events.delete_event_bus(Name=name),
    attributes=("Arn",),
)
_register("AWS::Events::EventBusPolicy", "events", _bus_policy)
_register(
    "AWS::Scheduler::Schedule",
    "scheduler",
    _named("create_schedule", "Name"),
    lambda client, one, new: _call(client, "update_schedule", new, Name=one.physical_resource_id),
    lambda client, name, _: client.delete_schedule(Name=name),
)
_register("AWS::CertificateManager::Certificate", "acm", _certificate)
_register(  # moto does not delete its own with a stack
    "AWS::EC2::RouteTable",
    "ec2",
    _route_table,
    delete=_delete_route_table,
)
_register(  # moto's does not keep policies as JSON
    "AWS::IAM::Role", "iam", _role, delete=_delete_role, attributes=("Arn",)
)
_register(  # moto's drops secrets
    "AWS::ECS::TaskDefinition",
    "ecs",
    _task_definition,
    _update_task_definition,
    lambda ecs, arn, _: ecs.deregister_task_definition(taskDefinition=arn),
)
_register(
    "AWS::EC2::EIP",
    "ec2",
    _address,
    delete=lambda ec2, ip, _: [
        ec2.release_address(AllocationId=one["AllocationId"])
        for one in ec2.describe_addresses(PublicIps=[ip])["Addresses"]
    ],
    attributes=("AllocationId",),
)
_register(
    "AWS::EC2::NatGateway",
    "ec2",
    _nat_gateway,
    delete=lambda ec2, gateway, _: ec2.delete_nat_gateway(NatGatewayId=gateway),
)
_register(
    "AWS::EC2::VPCEndpoint",
    "ec2",
    _endpoint,
    delete=lambda ec2, endpoint, _: ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint]),
)
_register(  # moto's lacks attributes
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "elbv2",
    _load_balancer,
    _update_load_balancer,
    lambda elb, arn, _: elb.delete_load_balancer(LoadBalancerArn=arn),
    ("LoadBalancerFullName", "DNSName", "CanonicalHostedZoneID"),
)
_register(  # moto's has no attributes
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "elbv2",
    _target_group,
    delete=lambda elb, arn, _: elb.delete_target_group(TargetGroupArn=arn),
    attributes=("TargetGroupFullName",),
)


_clean_json = parsing.clean_json


def _without_missing(value: Any, resources: Any) -> Any:
    """Removes AWS::NoValue from lists too, which moto does only in objects."""
    cleaned = _clean_json(value, resources)
    return [one for one in cleaned if one is not None] if isinstance(cleaned, list) else cleaned


_update_resource = parsing.parse_and_update_resource


def _update_if_on(name: str, definition: Any, resources: Any, **about: Any) -> Any:
    """Updates a resource unless its condition is off, which moto asks only when it creates one."""
    condition = definition.get("Condition")
    if condition and not resources.lazy_condition_map[condition]:
        return None
    return _update_resource(name, definition, resources, **about)


def _model(resource_type: str) -> Any:
    return _REGISTERED.get(resource_type) or _model_of_moto(resource_type)


_model_of_moto = parsing.resource_class_from_type


@contextmanager
def account() -> Iterator[None]:
    """An empty AWS account, whose CloudFormation knows the types above."""
    with (
        mock_aws(),
        mock.patch.object(parsing, "clean_json", _without_missing),
        mock.patch.object(parsing, "parse_and_update_resource", _update_if_on),
        mock.patch.object(parsing, "resource_class_from_type", _model),
    ):
        client.cache_clear()
        yield
        client.cache_clear()
