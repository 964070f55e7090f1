"""The policy (/findings) and the findings (/findings/events) for programs.

threatreaction/api.py handles the errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import parse_etags
from ninja import HeaderEx, P, Query, Router, Status
from ninja.errors import ValidationError
from pydantic import BaseModel, Field

from accounts.api_auth import Caller, callers_who
from findings import events, export, policy, policy_file, triage
from findings.event_schemas import EventList, TriageUpdate, TriageUpdated
from findings.events import EventFilter, EventQuery
from findings.models import Finding, PolicyChange, Target, ThreatPolicy, TriageEntry
from findings.policy import Change, Policy, PolicyChanges, UnconditionalReplacement
from findings.schemas import PolicyFilter, PolicyList, PolicyUpdate, PolicyUpdated
from problems import etags, yaml_body
from problems.parameters import refuse_unknown
from problems.schemas import Problem
from storage.filters import FilterForm
from storage.paging import Page

router = Router(tags=["Findings"])

YAML_PATHS = {"/findings", "/findings/plan"}  # whose bodies can be YAML

ETAG = etags.header("the whole policy, regardless of filters")

AS_YAML = {"schema": {"$ref": "#/components/schemas/PolicyUpdate"}}


class PolicyQuery(PolicyFilter):
    """The filters, and the format of the response."""

    format: Literal["json", "yaml"] = Field(
        "json",
        description="yaml for a file that PUT /findings and `manage.py policy` accept. Without"
        " filters, it replaces the policy when it is applied.",
    )


@router.get(
    "/findings",
    auth=callers_who(permission="findings.view_threatpolicy", scope="findings:read"),
    response={200: PolicyList, 304: None, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getFindings",
    summary="Read the threat policy",
    openapi_extra={
        "security": [{"session": []}, {"client": ["findings:read"]}],
        "responses": {
            200: {
                "description": "The settings.",
                "headers": ETAG,
                "content": {yaml_body.MEDIA_TYPE: AS_YAML},
            },
            304: {
                "description": "The policy matches If-None-Match.",
                "headers": ETAG,
            },
        },
    },
)
def get_findings(
    request: HttpRequest,
    response: HttpResponse,
    wanted: Query[PolicyQuery],
    if_none_match: HeaderEx[
        str | None,
        P(
            alias="If-None-Match",
            description="The ETag of an earlier response. If the policy has not changed since, the"
            " response is 304 without a body.",
        ),
    ] = None,
) -> dict[str, Any] | Status[None] | HttpResponse:
    """Lists the policy settings in the format that PUT accepts. Without filters, lists all."""
    refuse_unknown(request, PolicyQuery)
    settings = ThreatPolicy.objects.actions()
    response["ETag"] = policy.etag(settings)
    response["Cache-Control"] = "private, no-cache"
    known = {tag.removeprefix("W/") for tag in parse_etags(if_none_match or "")}
    if not known.isdisjoint({"*", response["ETag"]}):
        del response["Content-Type"]
        return Status(304, None)
    if wanted.format == "yaml":
        return _as_yaml(settings, wanted, headers=response.headers)
    return _listed(settings, wanted)


@router.put(
    "/findings",
    auth=callers_who(permission="findings.change_threatpolicy", scope="findings:write"),
    response={
        200: PolicyUpdated,
        frozenset({400, 401, 403, 412, 413, 415, 422, 428, 500}): Problem,
    },
    by_alias=True,
    operation_id="putFindings",
    summary="Change the threat policy",
    openapi_extra={
        "security": [{"session": []}, {"client": ["findings:write"]}],
        "requestBody": {"content": {yaml_body.MEDIA_TYPE: AS_YAML}},
        "responses": {
            200: {"description": "All settings were applied.", "headers": ETAG},
            412: {"headers": ETAG},
        },
    },
)
def put_findings(
    request: HttpRequest,
    response: HttpResponse,
    body: PolicyUpdate,
    if_match: etags.IfMatch = None,
) -> dict[str, Any]:
    """Applies the settings in the body and leaves all others unchanged. Applies all or none.

    With `replace`, the body is the whole policy, and all others are removed. If-Match is required.

    The request is idempotent: repeating it changes nothing. The most specific setting applies to a
    finding: type and severity, type, service and severity, service. The default is REPORT.
    """
    caller: Caller = request.auth  # type: ignore[attr-defined]  # Ninja sets it
    tags = etags.tags(if_match)
    if body.replace and (not tags or "*" in tags):
        raise UnconditionalReplacement
    changes = policy.set_policies(
        body.settings(),
        replace=body.replace,
        by=caller,
        source=PolicyChange.Source.PAGE if caller.user else PolicyChange.Source.API,
        at=timezone.now(),
        if_match=tags,
    )
    response["ETag"] = changes.etag
    response["Cache-Control"] = "no-store"
    return _updated(changes)


@router.get(
    "/findings/events",
    auth=callers_who(permission="findings.view_finding", scope="findings:read"),
    response={200: EventList, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getEvents",
    summary="List findings",
    openapi_extra={
        "security": [{"session": []}, {"client": ["findings:read"]}],
        "responses": {200: {"description": "A page of findings."}},
    },
)
def get_events(
    request: HttpRequest, response: HttpResponse, wanted: Query[EventQuery]
) -> dict[str, Any]:
    """Lists findings, newest first, 25 per page, as the Events page does.

    New findings do not shift later pages: `next` points to the findings older than this page.
    """
    form, after = asked_of(request, wanted, EventFilter)
    response["Cache-Control"] = "private, no-cache"
    rows = events.listed(form.asked(), now=timezone.now())
    return _events(events.PAGER.page(rows, after=after))


@router.patch(
    "/findings/events",
    auth=callers_who(permission="findings.triage_finding", scope="findings:triage"),
    response={200: TriageUpdated, frozenset({400, 401, 403, 413, 415, 422, 500}): Problem},
    operation_id="patchEvents",
    summary="Triage findings",
    openapi_extra={
        "security": [{"session": []}, {"client": ["findings:triage"]}],
        "responses": {200: {"description": "The change was applied."}},
    },
)
def patch_events(
    request: HttpRequest, response: HttpResponse, body: TriageUpdate
) -> dict[str, Any]:
    """Sets the status or the assignee of findings, or adds a note to each. Applies all or none.

    Each finding that changes gets an entry in the append-only triage log, which its page shows. A
    note alone is a change too. Findings that do not exist are listed, and are no error.
    """
    if "\0" in body.note:
        raise _wrong("note", "It must not contain NUL.")
    assignee = None
    if body.assignee:
        assignee = triage.assignable().filter(username=body.assignee.replace("\0", "")).first()
        if assignee is None:
            raise _wrong("assignee", "No user who may triage has this name.")
    change = triage.Change(
        status=body.status or "",
        assigns=body.assignee is not None,
        assignee=assignee,
        note=body.note.strip(),
    )
    caller: Caller = request.auth  # type: ignore[attr-defined]
    ids = set(body.ids)
    known = set(Finding.objects.filter(pk__in=ids).values_list("pk", flat=True))
    changed = triage.triage(
        known, change, by=caller, source=TriageEntry.Source.API, at=timezone.now()
    )
    response["Cache-Control"] = "no-store"
    return {
        "changed": sorted(changed),
        "unchanged": len(known) - len(changed),
        "unknown": sorted(ids - known),
    }


def _wrong(member: str, detail: str) -> ValidationError:
    return ValidationError(
        [{"loc": ("body", "body", member), "type": "value_error", "msg": detail}]
    )


def asked_of(
    request: HttpRequest, wanted: BaseModel, filters: type[FilterForm]
) -> tuple[FilterForm, str]:
    """Returns the valid filter form of a list and the cursor of the page ("" for the first).

    Raises ValidationError for an unknown or repeated parameter or an invalid value.
    """
    refuse_unknown(request, type(wanted))
    asked = wanted.model_dump(exclude_none=True)
    after = asked.pop("after", "")
    form = filters(asked)
    if not form.is_valid():
        raise ValidationError(
            [
                {"loc": ("query", name), "type": "value_error", "msg": detail}
                for name, details in form.errors.items()
                for detail in details
            ]
        )
    return form, after


def _as_yaml(settings: Policy, wanted: PolicyQuery, *, headers: Mapping[str, str]) -> HttpResponse:
    listed = {
        target: action for target, action in settings.items() if wanted.admits(target, action)
    }
    # A part of the policy must not remove the rest of it.
    is_whole = not wanted.model_dump(exclude={"format"}, exclude_none=True)
    kept = {name: headers[name] for name in ("ETag", "Cache-Control")}
    text = policy_file.dump(listed, is_whole=is_whole)
    return HttpResponse(text, content_type=yaml_body.MEDIA_TYPE, headers=kept)


def _listed(settings: Policy, wanted: PolicyFilter) -> dict[str, Any]:
    """Returns the data of a PolicyList, as a dict: model instances would cost more than the SQL."""
    return {
        "policies": [
            {**named(target), "action": action}
            for target, action in sorted(settings.items())
            if wanted.admits(target, action)
        ]
    }


def _updated(changes: PolicyChanges) -> dict[str, Any]:
    """Returns the data of a PolicyUpdated."""
    return {
        "changed": changed(changes.changed),
        "unchanged": changes.unchanged,
        "not_in_catalogue": changes.not_in_catalogue,
    }


def changed(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Returns the data of each PolicyChangeMade."""
    return [
        {**named(target), "from": before or None, "to": after or None}
        for target, before, after in changes
    ]


def named(target: Target) -> dict[str, str | None]:
    """Returns the members that name the target of a setting."""
    service, finding_type, severity = target
    return {
        "service": service or None,
        "finding_type": finding_type or None,
        "severity": severity or None,
    }


def _events(page: Page[Finding]) -> dict[str, Any]:
    """Returns the data of an EventList."""
    return {
        "findings": [export.as_event(finding) for finding in page.rows],
        "next": page.next or None,
    }
