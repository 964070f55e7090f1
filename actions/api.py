"""GET /actions. The errors are told in threatreaction/api.py."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from accounts.api_auth import callers_who
from actions import log
from actions.log import ActionFilter, ActionQuery
from actions.models import Reaction
from actions.schemas import ActionList, ActionTaken
from findings.api import asked_of
from problems.schemas import Problem
from storage.paging import Page

router = Router(tags=["Actions"])


@router.get(
    "/actions",
    auth=callers_who(permission="actions.view_reaction", scope="findings:read"),
    response={200: ActionList, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getActions",
    summary="Read what was done about findings",
    openapi_extra={
        "security": [{"session": []}, {"client": ["findings:read"]}],
        "responses": {200: {"description": "A page of the actions."}},
    },
)
def get_actions(
    request: HttpRequest, response: HttpResponse, wanted: Query[ActionQuery]
) -> dict[str, Any]:
    """Lists the actions, newest first, 25 a page, as the Actions page does.

    What is added meanwhile moves no page: `next` leads to the actions that are older than these.
    """
    form, after = asked_of(request, wanted, ActionFilter)
    response["Cache-Control"] = "private, no-cache"
    return _listed(log.PAGER.page(log.listed(form.asked()), after=after))


_SAME = ActionTaken.model_fields.keys() - {"action", "finding_type", "account_id", "attempts"}


def _listed(page: Page[Reaction]) -> dict[str, Any]:
    """What ActionList describes."""
    return {
        "actions": [
            {
                **{name: getattr(one, name) for name in _SAME},
                "action": one.kind,
                "finding_type": one.finding.finding_type,
                "account_id": one.finding.account_id,
                "attempts": [
                    {"at": tried.at, "succeeded": tried.succeeded, "answer": tried.answer}
                    for tried in one.attempts.all()
                ],
            }
            for one in page.rows
        ],
        "next": page.next or None,
    }
