"""Reads the JSON body of a request, and answers one that is not valid, for the API and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from problems import responses

MAX_ERRORS = 1000  # listed in one answer
MAX_ECHO = 100  # characters of the caller's own text that an answer repeats

Shape = TypeVar("Shape", bound=BaseModel)


class NotJSON(Exception):
    """The Content-Type of the body is not application/json."""


class MalformedJSON(Exception):
    """The body is not JSON, although its Content-Type says so. The text says where it fails."""


def read_json(request: HttpRequest) -> Any:
    """The body, parsed as RFC 8259 has it: UTF-8 without NaN, lone surrogates or endless nesting.

    Raises NotJSON or MalformedJSON.
    """
    if request.content_type != "application/json":
        raise NotJSON
    try:
        return from_json(request.body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedJSON(str(error)) from error


def read_as(shape: type[Shape], request: HttpRequest) -> Shape | HttpResponse:
    """The body as an instance of a pydantic model, or the response that refuses it, as an operation
    of the API would."""
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
    """The response with status 415."""
    return responses.respond(
        code="unsupported_media_type",
        detail="Send the body as JSON, with the header Content-Type: application/json.",
        headers={"Accept": "application/json"},
    )


def malformed(detail: str) -> HttpResponse:
    """The response with status 400; `detail` says what is wrong, for people."""
    return responses.respond(code="malformed_json", detail=detail)


def invalid(errors: Sequence[dict[str, Any]]) -> HttpResponse:
    """The response with status 422, which lists the errors that pydantic found.

    Each error is a dict of pydantic's whose `loc` begins with where the value was, as Ninja's does:
    "body" and the name of the argument, or "query".
    """
    count = len(errors)
    detail = "One thing is wrong" if count == 1 else f"{count} things are wrong"
    listed = f"the first {MAX_ERRORS}" if count > MAX_ERRORS else "all"
    return responses.respond(
        code="invalid_request",
        detail=f"{detail} with the request; nothing was changed. `errors` lists {listed}.",
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
        detail = "It has a member that does not exist."
    escaped = (member.replace("~", "~0").replace("/", "~1") for member in members)
    return {"pointer": "".join(f"/{member}" for member in escaped), "detail": detail}


def describe(error: Mapping[str, Any]) -> str:
    """What is wrong, from an error of pydantic's, as a sentence for readers of JSON."""
    context = error.get("ctx", {})
    return {
        "enum": f"It must be one of {context.get('expected')}.",
        "extra_forbidden": "There is no such member.",
        "list_type": "It must be an array.",
        "missing": "It is missing.",
        "model_type": "It must be an object.",
        "string_pattern_mismatch": f"It must match {context.get('pattern')}.",
        "string_too_long": f"It has more than {context.get('max_length')} characters.",
        "string_type": "It must be a string.",
        "value_error": str(context.get("error", error["msg"])),
    }.get(error["type"], f"{error['msg']}.")
