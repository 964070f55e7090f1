"""For programs that keep the policy as code: plans, the action that applies, the catalog."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router
from ninja.errors import ValidationError

from accounts.api_auth import Caller, callers_who
from findings import catalogue, plan, policy
from findings.api import AS_YAML, ETAG, changed, named
from findings.guardduty.attack import tactic_of
from findings.models import Action, ThreatPolicy
from findings.plan import Plan
from findings.plan_schemas import Catalogue, EffectiveAction, EffectiveQuery, PolicyPlan
from findings.schemas import PolicyUpdate
from problems import yaml_body
from problems.parameters import refuse_unknown
from problems.schemas import Problem

router = Router(tags=["Findings"])

_READERS = {"permission": "findings.view_threatpolicy", "scope": "findings:read"}
_SECURITY = [{"session": []}, {"client": ["findings:read"]}]


@router.post(
    "/findings/plan",
    auth=callers_who(**_READERS),
    response={200: PolicyPlan, frozenset({400, 401, 403, 413, 415, 422, 500}): Problem},
    by_alias=True,
    operation_id="planFindings",
    summary="Plan a change of the threat policy",
    openapi_extra={
        "security": _SECURITY,
        "requestBody": {"content": {yaml_body.MEDIA_TYPE: AS_YAML}},
        "responses": {200: {"description": "The plan.", "headers": ETAG}},
    },
)
def plan_findings(
    request: HttpRequest, response: HttpResponse, body: PolicyUpdate
) -> dict[str, Any]:
    """Says what PUT /findings would change with this body, and what that would have done.

    Changes nothing, so it requires no license. The effect is that on the findings of the last 30
    days. Send the ETag as If-Match with the PUT, so that exactly this plan is applied.
    """
    caller: Caller = request.auth  # type: ignore[attr-defined]  # Ninja sets it
    caller.require(permission="findings.view_finding", scope="findings:read")
    found = plan.plan(body, at=timezone.now())
    response["ETag"] = found.etag
    response["Cache-Control"] = "no-store"
    return _planned(found)


@router.get(
    "/findings/effective",
    auth=callers_who(**_READERS),
    response={200: EffectiveAction, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getEffectiveAction",
    summary="Read the action that applies",
    openapi_extra={
        "security": _SECURITY,
        "responses": {200: {"description": "The action, and why it applies."}},
    },
)
def get_effective(
    request: HttpRequest, response: HttpResponse, wanted: Query[EffectiveQuery]
) -> dict[str, Any]:
    """Says which action applies to a finding of this type and severity, and which rule decides."""
    refuse_unknown(request, EffectiveQuery)
    asked = {name: value or "" for name, value in wanted.model_dump(mode="json").items()}
    if bool(asked["finding_type"]) == bool(asked["service"]):
        raise ValidationError(
            [
                {
                    "loc": ("query", "finding_type"),
                    "type": "value_error",
                    "msg": "Set either finding_type or service.",
                }
            ]
        )
    response["Cache-Control"] = "private, no-cache"
    settings = ThreatPolicy.objects.actions()
    applies = policy.resolve(settings, **asked)
    action = Action(applies.action)
    return {
        "action": action,
        "why": plan.why(applies.set_at),
        "asks": action.asks,
        "simulates": action.simulates,
        "rules": [
            {
                **named(rule.target),
                "action": rule.action or None,
                "applies": rule.target == applies.set_at,
            }
            for rule in policy.rules(settings, **asked)
        ],
    }


@router.get(
    "/catalogue",
    auth=callers_who(**_READERS),
    response={200: Catalogue, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getCatalogue",
    summary="List the known finding types",
    openapi_extra={
        "security": _SECURITY,
        "responses": {200: {"description": "The finding types, our own first."}},
    },
)
def get_catalogue(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    """Lists the finding types that this version of the portal knows."""
    response["Cache-Control"] = "private, no-cache"
    return {
        "finding_types": [
            {
                "finding_type": one.name,
                "service": one.service,
                "source": one.source,
                "severities": one.severities,
                "tactic": tactic_of(one.name) or None,
                "can_revoke": one.names_credential,
                "detected_by": (one.data_source or one.source.label) if one.is_detected else None,
            }
            for one in catalogue.FINDING_TYPES.values()
        ]
    }


def _planned(found: Plan) -> dict[str, Any]:
    """Returns the data of a PolicyPlan."""
    seen = found.preview
    return {
        "changed": changed(found.changes),
        "unchanged": found.unchanged,
        "not_in_catalogue": found.not_in_catalogue,
        "etag": found.etag,
        "effect": {
            "days": seen.days,
            "findings": seen.findings,
            "gained": seen.effect.gained,
            "lost": seen.effect.lost,
            "addresses": seen.addresses.named,
            "is_partial": seen.is_partial,
        },
        "text": "\n".join(found.lines()),
    }
