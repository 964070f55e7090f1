"""The search box of the Actions page: finds out what a text is, and the actions it means."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from actions.models import Reaction
from findings import search
from findings.catalogue import FINDING_TYPES
from findings.guardduty.lenient_json import address_in
from findings.models import Finding

# Free text is compared with the targets, reasons, outcomes and finding types of this many actions
# only, the newest: no index finds a part of a word.
NEWEST = 10_000

Actions = QuerySet[Reaction]


def branches(text: str, actions: Actions) -> list[Actions]:
    """Returns queries, of which the actions that the text means match at least one.

    The text is a target, the ID or the ARN of a finding, an AWS account, or a finding type. Any
    other text is free text: words, or the beginning of a target that a finding names.
    """
    text = text.strip()
    target = address_in(text) or text
    if Reaction.objects.filter(target=target).exists():
        return [actions.filter(target=target)]
    finding_id = search.finding_id_in(text)
    if Finding.objects.filter(finding_id=finding_id).exists():
        return [actions.filter(finding__finding_id=finding_id)]
    if search.is_account(text):
        return [actions.filter(finding__account_id=text)]
    if text in FINDING_TYPES:
        return [actions.filter(finding__finding_type=text)]
    pks = Reaction.objects.order_by("-pk").values_list("pk", flat=True)
    newest = actions.filter(pk__gte=pks[NEWEST - 1 : NEWEST].first() or 0)
    for word in search.words(text):
        newest = newest.filter(
            Q(target__icontains=word)
            | Q(why__icontains=word)
            | Q(outcome__icontains=word)
            | Q(finding__finding_type__icontains=word)
        )
    return [actions.filter(target__in=search.names_that_begin(text)), newest]
