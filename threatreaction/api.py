"""The API as a whole: its routes, and its errors as application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, URLResolver
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from pydantic_core import to_json

from accounts.api import router as security_router
from accounts.api_auth import SCOPES, CallerRefused, anybody, refuse
from actions.api import router as actions_router
from actions.views import action_list
from findings.api import router as findings_router
from findings.policy import StalePolicy
from license.api import router as license_router
from problems import json_body, responses

logger = logging.getLogger(__name__)

# What each error of an operation means; `code` tells the reasons of one status apart.
_MEANINGS = {
    400: "The body is not valid JSON.",
    401: "Nobody is signed in, or the access token is no good.",
    403: "The caller has no permission or too small a scope, or the license allows no writes.",
    412: "The policy has changed since the ETag in If-Match; nothing was set.",
    413: "The body is over 1 MiB.",
    415: "The body is not declared as application/json.",
    422: "Something in the request is wrong; errors lists all of it, and nothing was set.",
    500: "The portal failed; nothing was set.",
}


PAGES = {"actions": action_list}  # what a person sees at the address of a resource


class StrictJSON(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        return json_body.read_json(request)


class FastJSON(BaseRenderer):
    """Ninja has validated the answer by its schema; this only writes it."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


class PortalAPI(NinjaAPI):
    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        patterns, app_name, namespace = super().urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                # Not the sign-in page: each operation asks for its own credentials.
                resource = _as_resource(pattern.callback)
                page = PAGES.get(str(pattern.pattern))
                pattern.callback = login_not_required(_either(page, resource) if page else resource)
        return patterns, app_name, namespace

    def get_openapi_schema(self, **where: Any) -> OpenAPISchema:
        """Ninja's document, and what Ninja has no words for."""
        document = super().get_openapi_schema(**where)
        document["components"]["securitySchemes"] = {
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "sessionid",
                "description": "The portal's own pages. A write also needs the X-CSRFToken header.",
            },
            "client": {
                "type": "oauth2",
                "description": "Programs. `manage.py createapiclient` makes an id and a secret.",
                "flows": {
                    "clientCredentials": {
                        "tokenUrl": "/oauth/token",
                        "scopes": SCOPES,
                    }
                },
            },
        }
        for methods in document["paths"].values():
            for operation in methods.values():
                for parameter in operation["parameters"]:
                    parameter["schema"] = _without_null(parameter["schema"])
                for status, response in operation["responses"].items():
                    if status >= HTTPStatus.BAD_REQUEST:
                        response["description"] = _MEANINGS[status]
                        content = response["content"]
                        content["application/problem+json"] = content.pop("application/json")
        return document


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not, but is never null: that would be the text "null"."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else schema


def _either(
    page: Callable[..., HttpResponse], resource: Callable[..., HttpResponse]
) -> Callable[..., HttpResponse]:
    """One address for people and for programs: a page for whoever asks for HTML."""

    @wraps(resource)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        is_person = responses.wants_html(request) and "Authorization" not in request.headers
        response = (page if is_person else resource)(request, *args, **kwargs)
        patch_vary_headers(response, ["Accept", "Authorization"])
        return response

    return answer


def _as_resource(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answers HEAD wherever GET is answered, and 405 as a problem."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        is_head = request.method == "HEAD"
        if is_head:
            request.method = "GET"  # the server leaves the body out
        response = view(request, *args, **kwargs)
        if is_head:
            request.method = "HEAD"
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        allowed = {method.strip() for method in response["Allow"].split(",")}
        if "GET" in allowed:
            allowed.add("HEAD")
        return responses.respond(
            code="method_not_allowed",
            detail=f"This address answers {', '.join(sorted(allowed))}.",
            headers={"Allow": ", ".join(sorted(allowed))},
        )

    return answer


api = PortalAPI(
    title="Threat Reaction",
    version="1.0.0",
    description="The threat policy of this portal, what was found, what was done about it, and the"
    " state of its license.",
    urls_namespace="api",
    openapi_url="/api/openapi.json",
    docs_url=None,  # threatreaction/api_docs.py renders the document in the portal's own dress
    docs_decorator=require_safe,
    parser=StrictJSON(),
    renderer=FastJSON(),
)
api.add_router("", findings_router)
api.add_router("", actions_router)
api.add_router("", license_router, auth=anybody)  # license knows no accounts
api.add_router("", security_router)


api.exception_handler(CallerRefused)(refuse)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    if any(entry["type"] == "missing" and entry["loc"][1:] == ("body",) for entry in error.errors):
        if "Transfer-Encoding" in request.headers:  # Django reads such a body as an empty one
            return json_body.malformed("The body came without a Content-Length; send it with one.")
        return json_body.malformed("The body is empty.")
    return json_body.invalid(error.errors)


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, json_body.NotJSON):
        return json_body.not_json()
    if isinstance(error.__cause__, json_body.MalformedJSON):
        return json_body.malformed(f"The body is not valid JSON: {error.__cause__}.")
    return responses.respond(code=HTTPStatus(error.status_code).name.lower(), detail=str(error))


@api.exception_handler(RequestDataTooBig)
def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return responses.respond(
        code="body_too_large",
        detail="A request body is at most 1 MiB. Send the policies in several requests.",
    )


@api.exception_handler(StalePolicy)
def _stale(request: HttpRequest, error: StalePolicy) -> HttpResponse:
    return responses.respond(
        code="stale_policy",
        detail=f"{error} Nothing was set. Read it again, and send the change with its new ETag.",
        headers={"ETag": error.etag},
    )


@api.exception_handler(Exception)
def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("The API failed to answer %s %s", request.method, request.path, exc_info=error)
    return responses.respond(
        code="internal_error",
        detail="The portal failed to answer; its log says why. Nothing was changed.",
    )
