"""Databases, buckets and their trails, and secrets."""

from __future__ import annotations

import json
from typing import Any

from moto.s3.models import FakeBucket

from tests.cloudformation.registry import REGISTERED, Properties, Resource, call, named, register
from tests.cloudformation.stacks import client


def _secret(client: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    properties = dict(properties)
    if rule := properties.pop("GenerateSecretString", None):
        properties["SecretString"] = call(client, "get_random_password", rule)["RandomPassword"]
    return call(client, "create_secret", properties, Name=name)["ARN"], {}


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
    made = call(rds, operation, properties, DBClusterIdentifier=name)["DBCluster"]
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
    call(rds, "modify_db_cluster", changed, DBClusterIdentifier=name, ApplyImmediately=True)


def _delete_cluster(rds: Any, name: str, resource: dict[str, Any]) -> None:
    final = resource["DeletionPolicy"] == "Snapshot"
    rds.delete_db_cluster(
        DBClusterIdentifier=name,
        SkipFinalSnapshot=not final,
        **({"FinalDBSnapshotIdentifier": f"{name}-final"} if final else {}),
    )


def _parameters(rds: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=name.lower(),
        DBParameterGroupFamily=properties["Family"],
        Description=properties["Description"],
    )
    return name.lower(), {}


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
    name = call(cloudtrail, "create_trail", properties, Name=properties.pop("TrailName"))["Name"]
    cloudtrail.put_event_selectors(TrailName=name, AdvancedEventSelectors=selectors)
    if is_logging:
        cloudtrail.start_logging(Name=name)
    return name, {}


register(
    "AWS::SecretsManager::Secret",
    "secretsmanager",
    _secret,
    _update_secret,
    lambda client, arn, _: client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True),
)
register("AWS::RDS::DBCluster", "rds", _cluster, _update_cluster, _delete_cluster)
register(  # moto's knows no Aurora
    "AWS::RDS::DBInstance",
    "rds",
    lambda rds, name, new: named("create_db_instance", "DBInstanceIdentifier")(
        rds, name.lower(), new
    ),
    delete=lambda rds, name, _: rds.delete_db_instance(DBInstanceIdentifier=name),
)
register(
    "AWS::RDS::DBClusterParameterGroup",
    "rds",
    _parameters,
    delete=lambda rds, name, _: rds.delete_db_cluster_parameter_group(
        DBClusterParameterGroupName=name
    ),
)
register("AWS::S3::BucketPolicy", "s3", _bucket_policy)
REGISTERED["AWS::S3::Bucket"] = _Bucket
register(
    "AWS::CloudTrail::Trail",
    "cloudtrail",
    _trail,
    delete=lambda cloudtrail, name, _: cloudtrail.delete_trail(Name=name),
)
