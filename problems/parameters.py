"""Validation of query parameters that pydantic does not do."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.errors import ValidationError
from pydantic import BaseModel


def refuse_unknown(request: HttpRequest, query: type[BaseModel]) -> None:
    """Raise ValidationError for unknown parameters: a mistyped filter must not list everything.

    The same applies to a parameter that is sent twice.
    """
    known = ", ".join(query.model_fields)
    errors = [
        {
            "loc": ("query", name),
            "type": "value_error",
            "msg": f"The supported parameters are {known}. Use each at most once.",
        }
        for name, values in request.GET.lists()
        if name not in query.model_fields or len(values) > 1
    ]
    if errors:
        raise ValidationError(errors)
