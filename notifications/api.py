"""GET and PUT /notifications. threatreaction/api.py handles the errors."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.errors import ValidationError

from accounts.api_auth import Caller, callers_who
from notifications import configuration, destination_settings, rule_settings
from notifications.configuration import NotValid
from notifications.schemas import Notifications, NotificationsUpdate, NotificationsUpdated
from problems import etags
from problems.schemas import Problem

router = Router(tags=["Notifications"])

_ETAG = etags.header("all rules and destinations")


@router.get(
    "/notifications",
    auth=callers_who(permission="notifications.view_rule", scope="notifications:read"),
    response={200: Notifications, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getNotifications",
    summary="List the notification rules and destinations",
    openapi_extra={
        "security": [{"session": []}, {"client": ["notifications:read"]}],
        "responses": {200: {"description": "The rules and destinations.", "headers": _ETAG}},
    },
)
def get_notifications(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    """Lists all rules and destinations, in the format that PUT accepts. Secrets are masked."""
    response["ETag"] = configuration.etag()
    response["Cache-Control"] = "private, no-cache"
    return {
        "rules": [
            {"name": one.name, **rule_settings.as_json(one)} for one in rule_settings.rules()
        ],
        "destinations": [
            {
                "name": one.name,
                **destination_settings.as_json(one),
                "last_success_at": one.last_success_at,
                "failing_since": one.failing_since,
                "last_error": one.last_error,
                "last_error_at": one.last_error_at,
            }
            for one in destination_settings.destinations()
        ],
    }


@router.put(
    "/notifications",
    auth=callers_who(permission="notifications.change_rule", scope="notifications:write"),
    response={
        200: NotificationsUpdated,
        frozenset({400, 401, 403, 412, 413, 415, 422, 500}): Problem,
    },
    operation_id="putNotifications",
    summary="Change the notification rules and destinations",
    openapi_extra={
        "security": [{"session": []}, {"client": ["notifications:write"]}],
        "responses": {
            200: {"description": "All settings were applied.", "headers": _ETAG},
            412: {"headers": _ETAG},
        },
    },
)
def put_notifications(
    request: HttpRequest,
    response: HttpResponse,
    body: NotificationsUpdate,
    if_match: etags.IfMatch = None,
) -> dict[str, Any]:
    """Sets the listed rules and destinations, all or none. Repeating the request changes nothing.

    Users who may not change destinations can send rules only.
    """
    caller: Caller = request.auth  # type: ignore[attr-defined]  # Ninja sets it
    if body.destinations:
        caller.require(permission="notifications.change_destination", scope="notifications:write")
    try:
        changes = configuration.set_notifications(
            rules={one.name: one.settings() for one in body.rules},
            destinations={one.name: one.wanted() for one in body.destinations},
            by=caller,
            at=timezone.now(),
            if_match=etags.tags(if_match),
        )
    except NotValid as refused:
        raise ValidationError(list(_errors(body, refused))) from refused
    response["ETag"] = changes.etag
    response["Cache-Control"] = "no-store"
    names: dict[str, list[str]] = {"rule": [], "destination": []}
    for one in changes.changed:
        names[one.what].append(one.name)
    return {
        "changed_rules": sorted(names["rule"]),
        "changed_destinations": sorted(names["destination"]),
        "secrets": dict(changes.secrets),
    }


def _errors(body: NotificationsUpdate, refused: NotValid) -> Any:
    """Yields the errors with their places in the body."""
    places = {("rules", one.name): number for number, one in enumerate(body.rules)} | {
        ("destinations", one.name): number for number, one in enumerate(body.destinations)
    }
    for path, text in refused.errors.items():
        where = [path[0], *([places[path[0], path[1]]] if len(path) > 1 else []), *path[2:]]
        yield {"loc": ("body", "body", *where), "type": "value_error", "msg": text}
