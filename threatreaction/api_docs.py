"""The page /api/docs, which renders the OpenAPI document in the portal's design.

Ninja's Swagger UI is not accessible: it has selects without names, nested buttons and low contrast.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from threatreaction.api import api


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the operations, schemas and scopes of the API."""
    document = api.get_openapi_schema()
    context = {
        "info": document["info"],
        "operations": [
            _operation(method, path, details)
            for path, methods in document["paths"].items()
            for method, details in methods.items()
        ],
        "shapes": [_shape(name, it) for name, it in sorted(_shown_schemas(document).items())],
        "scopes": document["components"]["securitySchemes"]["client"]["flows"]["clientCredentials"][
            "scopes"
        ],
        "token_url": request.build_absolute_uri(reverse("oauth_token")),
        "findings_url": request.build_absolute_uri(reverse("api:put_findings")),
    }
    return render(request, "api/docs.html", context)


def _shown_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas that the page links to, without Ninja's models of parameters."""
    text = json.dumps(document)
    schemas: dict[str, Any] = document["components"]["schemas"]
    return {name: it for name, it in schemas.items() if f'schemas/{name}"' in text}


def _operation(method: str, path: str, details: dict[str, Any]) -> dict[str, Any]:
    # All media types of a body have the same schema.
    body = next(iter(details.get("requestBody", {"content": {"": {}}})["content"].values()))
    return {
        "id": details["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": details["summary"],
        "paragraphs": details.get("description", "").split("\n\n"),
        "scopes": [scope for way in details.get("security", []) for scope in way.get("client", [])],
        "parameters": [
            {**parameter, "type": _type(parameter["schema"])} for parameter in details["parameters"]
        ],
        "body": _type(body["schema"]) if body else [],
        "responses": [
            {
                "status": status,
                "phrase": HTTPStatus(status).phrase,
                "description": response["description"],
                "headers": response.get("headers", {}),
                "contents": [
                    (media_type, _type(content["schema"]))
                    for media_type, content in response.get("content", {}).items()
                ],
            }
            for status, response in sorted(details["responses"].items())
        ],
    }


def _shape(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    required = schema.get("required", [])
    return {
        "name": name,
        "description": schema.get("description", ""),
        "values": schema.get("enum", []),
        "members": [
            {
                "name": member,
                "type": _type(details),
                "required": member in required,
                "description": details.get("description", ""),
            }
            for member, details in schema.get("properties", {}).items()
        ],
        "examples": [
            json.dumps(example, indent=2, ensure_ascii=False)
            for example in schema.get("examples", [])
        ],
    }


def _type(schema: dict[str, Any]) -> list[tuple[str, bool]]:
    """Describe a JSON Schema in words ("array of", "PolicySetting").

    Each word comes with whether it is the name of a schema on the page.
    """
    if "$ref" in schema:
        return [(str(schema["$ref"]).rpartition("/")[2], True)]
    if choices := schema.get("anyOf") or schema.get("allOf"):
        first, *others = map(_type, choices)
        return [*first, *(word for other in others for word in [("or", False), *other])]
    if "enum" in schema:
        return [("one of " + ", ".join(map(str, schema["enum"])), False)]
    if schema.get("type") == "array":
        return [("array of", False), *_type(schema["items"])]
    words = str(schema.get("type", "anything"))
    if "format" in schema:
        words += f" ({schema['format']})"
    if "maxLength" in schema:
        words += f" of at most {schema['maxLength']} characters"
    return [(words, False)]
