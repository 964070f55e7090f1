"""The HTTP API: its routers, and its errors as application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property, wraps
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
from actions.api import KeyReused, NotWaiting
from actions.api import router as actions_router
from actions.by_hand import NothingInForce
from actions.views import action_list
from detectors.api import router as buckets_router
from detectors.views import bucket_list
from findings.api import YAML_PATHS
from findings.api import router as findings_router
from findings.plan_api import router as plan_router
from findings.policy import UnconditionalReplacement
from license.api import router as license_router
from notifications.api import router as notifications_router
from notifications.views import notification_list
from problems import json_body, responses, yaml_body
from problems.etags import Stale

logger = logging.getLogger(__name__)

# The description of each error status in the OpenAPI document.
_MEANINGS = {
    400: "The request body is not valid JSON or YAML.",
    401: "The caller is not authenticated, or the access token is invalid or expired.",
    403: "The caller lacks the permission or the scope, or the license does not allow writes.",
    404: "There is no such resource.",
    409: "There is nothing in force to undo, or the action does not wait. Nothing was changed.",
    412: "What was read does not match the ETag in If-Match. Nothing was changed.",
    413: "The request body is larger than 1 MiB.",
    415: "The Content-Type is not application/json, or YAML where the operation accepts it.",
    422: "Validation failed. `errors` lists all errors. Nothing was changed.",
    428: "The body replaces the whole policy, and If-Match is missing. Nothing was changed.",
    500: "An internal error occurred. Nothing was changed.",
}


# By path: the HTML pages at the URLs of API resources.
PAGES = {
    "actions": action_list,
    "buckets": bucket_list,
    "notifications": notification_list,
}


class StrictJSON(Parser):
    """Parses request bodies strictly as in RFC 8259, and YAML as strictly where it is accepted."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.path_info in YAML_PATHS and request.content_type == yaml_body.MEDIA_TYPE:
            return yaml_body.read(request.body).content
        return json_body.read_json(request)


class FastJSON(BaseRenderer):
    """Serializes responses, which Ninja has already validated, with pydantic."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


class PortalAPI(NinjaAPI):
    """The API with the portal's authentication, HEAD and 405 responses, and OpenAPI document."""

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        patterns, app_name, namespace = super().urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                # Each operation authenticates the caller itself, without a redirect to sign-in.
                resource = _as_resource(pattern.callback)
                page = PAGES.get(str(pattern.pattern))
                pattern.callback = login_not_required(_either(page, resource) if page else resource)
        return patterns, app_name, namespace

    def get_openapi_schema(self, **_: Any) -> OpenAPISchema:
        """Return the OpenAPI document, which is always the same."""
        return self._document

    @cached_property
    def _document(self) -> OpenAPISchema:
        """The OpenAPI document with security schemes and problem responses."""
        document = super().get_openapi_schema()
        document["components"]["securitySchemes"] = {
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "sessionid",
                "description": "For browsers. Writes also require the X-CSRFToken header.",
            },
            "client": {
                "type": "oauth2",
                "description": "For programs. The page /clients creates credentials.",
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
    """Return the schema of a parameter without null: parameters are optional but never null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else schema


def _either(
    page: Callable[..., HttpResponse], resource: Callable[..., HttpResponse]
) -> Callable[..., HttpResponse]:
    """Return a view that responds with the page to browsers, and else with the resource."""

    @wraps(resource)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = (page if _is_person(request) else resource)(request, *args, **kwargs)
        patch_vary_headers(response, ["Accept", "Authorization"])
        return response

    return answer


def _is_person(request: HttpRequest) -> bool:
    """Return whether a browser asks for a page."""
    return responses.wants_html(request) and "Authorization" not in request.headers


def _as_resource(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return a view that also supports HEAD, and whose 405 is a problem document."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        is_head = request.method == "HEAD"
        if is_head:
            request.method = "GET"  # the server omits the body
        response = view(request, *args, **kwargs)
        if is_head:
            request.method = "HEAD"
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        allowed = {method.strip() for method in response["Allow"].split(",")}
        if "GET" in allowed:
            allowed.add("HEAD")
        if _is_person(request):
            return HttpResponseNotAllowed(sorted(allowed))  # the middleware adds the page
        return responses.respond(
            code="method_not_allowed",
            detail=f"This URL supports {', '.join(sorted(allowed))}.",
            headers={"Allow": ", ".join(sorted(allowed))},
        )

    return answer


api = PortalAPI(
    title="Threat Reaction",
    version="1.0.0",
    description="The threat policy, findings, actions, registered buckets, notifications,"
    " security events and license status of this portal.",
    urls_namespace="api",
    openapi_url="/api/openapi.json",
    docs_url=None,  # threatreaction/api_docs.py renders the document in the portal's design
    docs_decorator=require_safe,
    parser=StrictJSON(),
    renderer=FastJSON(),
)
api.add_router("", findings_router)
api.add_router("", plan_router)
api.add_router("", actions_router)
api.add_router("", buckets_router)
api.add_router("", notifications_router)
api.add_router("", license_router, auth=anybody)  # license does not import accounts
api.add_router("", security_router)


api.exception_handler(CallerRefused)(refuse)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    if any(entry["type"] == "missing" and entry["loc"][1:] == ("body",) for entry in error.errors):
        if "Transfer-Encoding" in request.headers:  # Django reads such a body as empty
            return json_body.malformed(
                "The request has no Content-Length. Send the body with this header."
            )
        return json_body.malformed("The request body is empty.")
    return json_body.invalid(error.errors)


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, json_body.NotJSON):
        return json_body.not_json()
    if isinstance(error.__cause__, json_body.MalformedJSON):
        return json_body.malformed(f"The body is not valid JSON: {error.__cause__}.")
    if isinstance(error.__cause__, yaml_body.MalformedYAML):
        return responses.respond(
            code="malformed_yaml", detail=f"The body cannot be read: {error.__cause__}."
        )
    return responses.respond(code=HTTPStatus(error.status_code).name.lower(), detail=str(error))


@api.exception_handler(RequestDataTooBig)
def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return responses.respond(
        code="body_too_large",
        detail="The request body must not exceed 1 MiB. Send the policies in several requests.",
    )


@api.exception_handler(Stale)
def _stale(request: HttpRequest, error: Stale) -> HttpResponse:
    return responses.respond(
        code=error.code,
        detail=f"{error} Nothing was changed. Get the state and send the change with its ETag.",
        headers={"ETag": error.etag},
    )


@api.exception_handler(UnconditionalReplacement)
def _unconditional(request: HttpRequest, error: UnconditionalReplacement) -> HttpResponse:
    return responses.respond(
        code="precondition_required",
        detail="A body with replace requires If-Match with the ETag of the policy that it replaces."
        " Nothing was changed.",
    )


@api.exception_handler(NothingInForce)
def _nothing_in_force(request: HttpRequest, error: NothingInForce) -> HttpResponse:
    return responses.respond(code="nothing_in_force", detail=f"{error} Nothing was changed.")


@api.exception_handler(NotWaiting)
def _not_waiting(request: HttpRequest, error: NotWaiting) -> HttpResponse:
    return responses.respond(
        code="not_waiting",
        detail="The action does not wait for an approval, or no longer. Nothing was changed.",
    )


@api.exception_handler(KeyReused)
def _key_reused(request: HttpRequest, error: KeyReused) -> HttpResponse:
    return responses.respond(
        code="idempotency_key_reused",
        detail="Another request had this Idempotency-Key. Nothing was changed.",
    )


@api.exception_handler(Exception)
def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("The API failed to answer %s %s", request.method, request.path, exc_info=error)
    return responses.respond(
        code="internal_error",
        detail="An internal error occurred. The portal logged it. Nothing was changed.",
    )
