"""GET /actions. threatreaction/api.py handles the errors."""

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


_SAME = ActionTaken.model_fields.keys() - {"action", "finding_type", "account_id", "attempts"}


def _listed(page: Page[Reaction]) -> dict[str, Any]:
    """Returns the data of an ActionList."""
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
