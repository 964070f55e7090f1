"""Links to what helps if an action was not done, beside the reason that its outcome gives."""

from __future__ import annotations

from typing import NamedTuple

from django.urls import reverse

from actions import paths
from findings.guardduty.parser import Kind


class Remedy(NamedTuple):
    """A link."""

    text: str
    url: str
    is_for_operators: bool = False  # viewers find nothing there that they can do


def remedy(outcome: str, finding_id: int | None) -> Remedy | None:
    """Returns what helps against this outcome; None if nothing does.

    Nothing helps, for example, to block an own address.
    """
    if "on the allowlist" in outcome:
        return Remedy("Open the allowlist", reverse("actions:allowlist"))
    if "deploy/member.yaml" in outcome:
        return Remedy("Show the roles of the AWS accounts", reverse("console:accounts"))
    if outcome.startswith(paths.NO_PATH) and any(one.setting in outcome for one in paths.PATHS):
        return Remedy("Show the paths and their settings", f"{reverse('api:get_actions')}#paths")
    if finding_id is not None and any(said in outcome for said in _BY_HAND):
        form = f"{reverse('console:event', args=[finding_id])}#by-hand"
        return Remedy("Act on this by hand", form, is_for_operators=True)
    for said, kind in _REVOKED_INSTEAD.items():
        if said in outcome:
            return Remedy(f"Find the {kind}", f"{reverse('findings:entities')}?kind={kind}")
    return None


_BY_HAND = (  # what an operator can request all the same, about this target or another one
    "The finding is archived",
    "The finding is suppressed",
    "Nobody approved it",
    "Rejected by",
    "Canceled by",
    "Use REVOKE for",
    "Revoke the credential",
    "Revoke the sessions",
    "or revoke the credential",
    "names no actor address",
    "names no credential",
    "restore again",
)

_REVOKED_INSTEAD = {  # what the finding does not name, but another one can
    "revoke that user": Kind.USER,
    "revoke that one": Kind.ROLE,  # of a node
    "Revoke the one": Kind.ROLE,  # of several
    "Revoke the role.": Kind.ROLE,
}
