"""Each schema name in the OpenAPI document belongs to one class."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

import pytest
from django.test import Client
from pydantic import BaseModel

from threatreaction.api import api


@pytest.fixture
def schemas(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/openapi.json").json()["components"]["schemas"]
    return found


def shapes(found: Any) -> Iterator[type]:
    """Yield the classes in a class or an annotation."""
    if isinstance(found, type) and issubclass(found, Enum):
        yield found
    elif isinstance(found, type) and issubclass(found, BaseModel):
        yield found
        for field in found.model_fields.values():
            yield from shapes(field.annotation)
    for argument in get_args(found):
        yield from shapes(argument)


def test_no_two_classes_have_one_name(schemas: dict[str, Any]) -> None:
    """Otherwise, the document describes only one of them."""
    named: dict[str, set[type]] = {}
    for _, router in api._routers:
        for view in router.path_operations.values():
            for operation in view.operations:
                for model in [*operation.models, *operation.response_models.values()]:
                    for shape in shapes(model):
                        named.setdefault(shape.__name__, set()).add(shape)
    assert {"Action", "ActionTaken", "PolicyUpdate", "Event"} <= named.keys()
    assert [name for name, found in named.items() if name in schemas and len(found) > 1] == []


def test_every_action_is_one_of_the_words(schemas: dict[str, Any]) -> None:
    found = set()
    for name, schema in schemas.items():
        for member, stated in schema.get("properties", {}).items():
            if member in {"action", "from", "to"}:
                kinds = [one for one in stated.get("anyOf", [stated]) if one != {"type": "null"}]
                [one] = [schemas[k["$ref"].rpartition("/")[2]] if "$ref" in k else k for k in kinds]
                assert one["type"] == "string", name
                assert "BLOCK" in one["enum"], name
                found.add((name, member))
    assert {("ActionTaken", "action"), ("Event", "action"), ("PolicyChangeMade", "to")} <= found
