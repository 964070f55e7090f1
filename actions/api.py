"""/actions and its approvals. threatreaction/api.py handles the errors."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import HeaderEx, P, Query, Router, Status
from ninja.errors import HttpError, ValidationError

from accounts.api_auth import Caller, callers_who
from actions import approval, by_hand, durations, log
from actions.by_hand import NothingInForce, NotPossible, Request
from actions.log import ActionFilter, ActionQuery
from actions.models import Reaction
from actions.schemas import ActionList, ActionRequest, ActionTaken, Approval
from actions.undo import NO_KEY, Key
from findings.api import asked_of
from findings.models import Finding
from problems.schemas import Problem
from storage.paging import Page

router = Router(tags=["Actions"])


@router.get(
    "/actions",
    auth=callers_who(permission="actions.view_reaction", scope="findings:read"),
    response={200: ActionList, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getActions",
    summary="List actions taken on findings",
    openapi_extra={
        "security": [{"session": []}, {"client": ["findings:read"]}],
        "responses": {200: {"description": "A page of actions."}},
    },
)
def get_actions(
    request: HttpRequest, response: HttpResponse, wanted: Query[ActionQuery]
) -> dict[str, Any]:
    """Lists actions, newest first, 25 per page, as the Actions page does.

    New actions do not shift later pages: `next` points to the actions older than this page.
    """
    form, after = asked_of(request, wanted, ActionFilter)
    response["Cache-Control"] = "private, no-cache"
    return _listed(log.PAGER.page(log.listed(form.asked()), after=after))


@router.post(
    "/actions",
    auth=callers_who(permission="actions.add_reaction", scope="actions:write"),
    response={
        200: ActionTaken,
        201: ActionTaken,
        frozenset({400, 401, 403, 409, 413, 415, 422, 500}): Problem,
    },
    operation_id="postActions",
    summary="Request an action",
    openapi_extra={
        "security": [{"session": []}, {"client": ["actions:write"]}],
        "responses": {
            200: {"description": "An earlier request with this Idempotency-Key stored it."},
            201: {"description": "The action was stored. Its state says whether it is pending."},
        },
    },
)
def post_actions(
    request: HttpRequest,
    response: HttpResponse,
    body: ActionRequest,
    idempotency_key: HeaderEx[
        str | None,
        P(
            alias="Idempotency-Key",
            min_length=1,
            max_length=200,
            description="A unique value, such as a UUID, for this request and its repetitions. A"
            " repetition stores nothing and returns the action of the first request.",
        ),
    ] = None,
) -> Status[dict[str, Any]]:
    """Stores an action that a worker carries out, or that a safeguard prevents: see its state.

    Without an Idempotency-Key, each request stores an action. Actions on AWS are idempotent.
    """
    caller: Caller = request.auth  # type: ignore[attr-defined]  # Ninja sets it
    response["Cache-Control"] = "no-store"
    key = _key(caller, idempotency_key, body)
    if stored := _stored(key):
        return Status(200, _as_data(stored))
    try:
        reaction = by_hand.act(_wanted(body), by=caller, at=timezone.now(), key=key)
    except (IntegrityError, NothingInForce):  # perhaps the same request at the same time
        if stored := _stored(key):
            return Status(200, _as_data(stored))
        raise
    except NotPossible as reason:
        raise ValidationError(
            [{"loc": ("body", "body", "target"), "type": "value_error", "msg": str(reason)}]
        ) from reason
    return Status(201, _as_data(reaction))


@router.post(
    "/actions/{int:action_id}/approval",
    auth=callers_who(permission="actions.add_reaction", scope="actions:write"),
    response={
        200: ActionTaken,
        frozenset({400, 401, 403, 404, 409, 413, 415, 422, 500}): Problem,
    },
    operation_id="postApproval",
    summary="Approve or reject an action that waits",
    openapi_extra={
        "security": [{"session": []}, {"client": ["actions:write"]}],
        "responses": {
            200: {
                "description": "The action that the approval added, or the rejected one. Its state"
                " says whether a worker carries it out."
            },
        },
    },
)
def post_approval(
    request: HttpRequest, response: HttpResponse, action_id: int, body: Approval
) -> dict[str, Any]:
    """Decides an action that the policy asks about, as the Actions page does.

    `GET /actions?state=waiting` lists what waits, and `due_at` says until when. An approval closes
    the waiting action, and adds another one, which the safeguards check again.
    """
    waiting = Reaction.objects.filter(pk=action_id).first()
    if waiting is None:
        raise HttpError(404, "There is no such action.")
    caller: Caller = request.auth  # type: ignore[attr-defined]
    decided = approval.decide(
        waiting, approved=body.approved, reason=body.reason, by=caller, at=timezone.now()
    )
    if decided is None:
        raise NotWaiting
    response["Cache-Control"] = "no-store"
    return _as_data(decided)


class NotWaiting(Exception):
    """The action does not wait for an approval, or no longer."""


class KeyReused(Exception):
    """The Idempotency-Key belongs to another request."""


def _key(caller: Caller, key: str | None, body: ActionRequest) -> Key:
    if key is None:
        return NO_KEY
    who = f"client {caller.client_id}" if caller.user is None else f"user {caller.user.pk}"
    said = body.model_dump_json(exclude_unset=True)
    return Key(f"{who}: {key}", hashlib.sha256(said.encode()).hexdigest())


def _stored(key: Key) -> Reaction | None:
    """Returns the action of an earlier request with this key. Raises KeyReused."""
    if key == NO_KEY:
        return None
    found = Reaction.objects.filter(request_key=key.key).select_related("finding").first()
    if found and found.request_digest != key.digest:
        raise KeyReused
    return found


def _wanted(body: ActionRequest) -> Request:
    finding = None
    if body.finding_id is not None:
        finding = Finding.objects.filter(pk=body.finding_id).first()
        if finding is None:
            raise ValidationError(
                [
                    {
                        "loc": ("body", "body", "finding_id"),
                        "type": "value_error",
                        "msg": "There is no such finding.",
                    }
                ]
            )
    return Request(
        body.action,
        body.target_kind,
        body.target,
        body.reason,
        finding,
        lasts=durations.parse(body.duration or ""),
        lasts_as_set="duration" not in body.model_fields_set,
    )


_SAME = ActionTaken.model_fields.keys() - {"action", "finding_type", "account_id", "attempts"}


def _listed(page: Page[Reaction]) -> dict[str, Any]:
    """Returns the data of an ActionList."""
    return {"actions": [_as_data(one) for one in page.rows], "next": page.next or None}


def _as_data(one: Reaction) -> dict[str, Any]:
    """Returns the data of an ActionTaken."""
    return {
        **{name: getattr(one, name) for name in _SAME},
        "action": one.kind,
        "finding_type": one.finding and one.finding.finding_type,
        "account_id": one.finding and one.finding.account_id,
        "attempts": [
            {"at": tried.at, "succeeded": tried.succeeded, "answer": tried.answer}
            for tried in one.attempts.all()
        ],
    }
