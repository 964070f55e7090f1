"""Parses and validates JSON request bodies, and returns error responses, for API and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from problems import responses

MAX_ERRORS = 1000  # listed in one response
MAX_ECHO = 100  # characters of the caller's input that a response repeats

Shape = TypeVar("Shape", bound=BaseModel)


class NotJSON(Exception):
    """The Content-Type of the request is not application/json."""


class MalformedJSON(Exception):
    """The body is not valid JSON. The message contains the line and column."""


def read_json(request: HttpRequest) -> Any:
    """Return the parsed body, strictly as in RFC 8259: UTF-8, no NaN, no unpaired surrogates.

    Raises NotJSON or MalformedJSON.
    """
    if request.content_type != "application/json":
        raise NotJSON
    try:
        return from_json(request.body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedJSON(str(error)) from error


def read_as(shape: type[Shape], request: HttpRequest) -> Shape | HttpResponse:
    """Return the body as an instance of a pydantic model, or the error response of the API."""
    try:
        return shape.model_validate(read_json(request))
    except NotJSON:
        return not_json()
    except MalformedJSON as error:
        return malformed(f"The body is not valid JSON: {error}.")
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return invalid([{**entry, "loc": ("body", "body", *entry["loc"])} for entry in found])


def not_json() -> HttpResponse:
    """Return the response with status 415."""
    return responses.respond(
        code="unsupported_media_type",
        detail="Send the body as JSON, with the header Content-Type: application/json.",
        headers={"Accept": "application/json"},
    )


def malformed(detail: str) -> HttpResponse:
    """Return the response with status 400. `detail` describes the error for people."""
    return responses.respond(code="malformed_json", detail=detail)


def invalid(errors: Sequence[dict[str, Any]]) -> HttpResponse:
    """Return the response with status 422, which lists pydantic's validation errors.

    Each error is a dict from pydantic whose `loc` begins, as in Ninja, with "body" and the name of
    the argument, or with "query".
    """
    count = len(errors)
    found = "one validation error" if count == 1 else f"{count} validation errors"
    listed = f"the first {MAX_ERRORS}" if count > MAX_ERRORS else "all of them"
    return responses.respond(
        code="invalid_request",
        detail=f"The request has {found}. Nothing was changed. `errors` lists {listed}.",
        errors=[_as_member(entry) for entry in errors[:MAX_ERRORS]],
    )


def _as_member(entry: dict[str, Any]) -> dict[str, str]:
    source, *path = entry["loc"]
    detail = describe(entry)
    if source != "body":
        return {"parameter": str(path[-1])[:MAX_ECHO], "detail": detail}
    members = [str(part) for part in path[1:]]  # path[0] names the argument of the view
    if members and len(members[-1]) > MAX_ECHO:
        members.pop()
        detail = "It contains an unknown member."
    escaped = (member.replace("~", "~0").replace("/", "~1") for member in members)
    return {"pointer": "".join(f"/{member}" for member in escaped), "detail": detail}


def describe(error: Mapping[str, Any]) -> str:
    """Return the message of a pydantic validation error, as a sentence in the terms of JSON."""
    context = error.get("ctx", {})
    return {
        "enum": f"It must be one of {context.get('expected')}.",
        "extra_forbidden": "This member does not exist.",
        "list_type": "It must be an array.",
        "missing": "It is required.",
        "model_type": "It must be an object.",
        "string_pattern_mismatch": f"It must match {context.get('pattern')}.",
        "string_too_long": f"It has more than {context.get('max_length')} characters.",
        "string_type": "It must be a string.",
        "value_error": str(context.get("error", error["msg"])),
    }.get(error["type"], f"{error['msg']}.")
