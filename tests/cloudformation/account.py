"""An AWS account that knows the resource types that moto lacks.

Importing this module takes seconds: moto loads every service.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from moto import mock_aws
from moto.cloudformation import parsing

from tests.cloudformation.registry import REGISTERED
from tests.cloudformation.resource_types import messages, network, storage, tasks  # noqa: F401  (they register)
from tests.cloudformation.stacks import client

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
    return REGISTERED.get(resource_type) or _model_of_moto(resource_type)


_model_of_moto = parsing.resource_class_from_type


@contextmanager
def account() -> Iterator[None]:
    """An empty AWS account, whose CloudFormation knows these types."""
    with (
        mock_aws(),
        mock.patch.object(parsing, "clean_json", _without_missing),
        mock.patch.object(parsing, "parse_and_update_resource", _update_if_on),
        mock.patch.object(parsing, "resource_class_from_type", _model),
    ):
        client.cache_clear()
        yield
        client.cache_clear()
