"""Resource types that moto lacks: each calls the API of its service, as CloudFormation does.

So botocore and moto check its properties.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.common_models import CloudFormationModel

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


def register(
    resource_type: str,
    service: str,
    create: Create,
    update: Callable[[Any, Any, Properties], object] | None = None,
    delete: Delete | None = None,
    attributes: tuple[str, ...] = (),
) -> None:
    """Adds a type. The functions get a client of the service; `attributes` are for Fn::GetAtt."""

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
    REGISTERED[resource_type] = Registered


REGISTERED: dict[str, Any] = {}


def call(client: Any, operation: str, properties: Properties, **more: Any) -> Any:
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


def named(operation: str, key: str) -> Create:
    """Returns a function that creates a resource whose name, the member `key`, is its ID."""

    def create(client: Any, name: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        call(client, operation, {key: name} | properties)
        return properties.get(key, name), {}

    return create
