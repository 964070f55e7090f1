"""Lists all parameters that could filter an admin change list, for portal and panel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import ModelAdmin, site
from django.db.models import Field, Model
from django.test import RequestFactory


def admins() -> list[ModelAdmin[Any]]:
    """Return all registered model admins."""
    return list(site._registry.values())


def parameters(model: type[Model], *, hops: int = 2) -> Iterator[str]:
    """Yield each field with and without each lookup, also of models up to `hops` relations away."""
    for field in model._meta.get_fields():
        yield field.name
        if isinstance(field, Field):
            for lookup in field.get_lookups():
                yield f"{field.name}__{lookup}"
        if hops and field.related_model and not isinstance(field.related_model, str):
            for further in parameters(field.related_model, hops=hops - 1):
                yield f"{field.name}__{further}"


def taken(model_admin: ModelAdmin[Any]) -> set[str]:
    """Return the parameters that the change list accepts."""
    request = RequestFactory().get("/")
    return {
        name
        for name in parameters(model_admin.model)
        if model_admin.lookup_allowed(name, "1", request)
    }
