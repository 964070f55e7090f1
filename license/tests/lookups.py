"""Every parameter by which somebody could try to filter a change list: for portal and panel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import ModelAdmin, site
from django.db.models import Field, Model
from django.test import RequestFactory


def admins() -> list[ModelAdmin[Any]]:
    return list(site._registry.values())


def parameters(model: type[Model], *, hops: int = 2) -> Iterator[str]:
    """Each field, with each of its lookups and without, also of related models."""
    for field in model._meta.get_fields():
        yield field.name
        if isinstance(field, Field):
            for lookup in field.get_lookups():
                yield f"{field.name}__{lookup}"
        if hops and field.related_model and not isinstance(field.related_model, str):
            for further in parameters(field.related_model, hops=hops - 1):
                yield f"{field.name}__{further}"


def taken(model_admin: ModelAdmin[Any]) -> set[str]:
    """Those that its change list takes."""
    request = RequestFactory().get("/")
    return {
        name
        for name in parameters(model_admin.model)
        if model_admin.lookup_allowed(name, "1", request)
    }
