"""The search box of the Actions page: finds out what a text is, and the actions it means."""

from __future__ import annotations

from django.db.models import OuterRef, Q, Subquery, TextField, Value
from django.db.models.functions import Coalesce, Concat

from actions.models import Reaction, ReactionQuerySet
from findings import search
from findings.catalogue import FINDING_TYPES
from findings.guardduty.lenient_json import address_in
from findings.models import Finding

# Free text is compared with the targets, reasons, outcomes and finding types of this many actions
# only, the newest: no index finds a part of a word.
NEWEST = 10_000


def branches(text: str, actions: ReactionQuerySet) -> list[ReactionQuerySet]:
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
        return actions.of_findings(account_id=text)
    if text in FINDING_TYPES:
        return actions.of_findings(finding_type=text)
    pks = Reaction.objects.order_by("-pk").values_list("pk", flat=True)
    newest = actions.filter(pk__gte=pks[NEWEST - 1 : NEWEST].first() or 0)
    # Without a join, for which PostgreSQL would read all findings.
    stored = Finding.objects.filter(pk=OuterRef("finding_id")).values("finding_type")
    of_type = Coalesce("finding_type", Subquery(stored))
    # No word contains the separator.
    texts = ("target", Value("\n"), "why", Value("\n"), "outcome", Value("\n"), of_type)
    words = Q()
    for word in search.words(text):
        words &= Q(said__icontains=word)
    newest = newest.alias(said=Concat(*texts, output_field=TextField())).filter(words)
    return [actions.filter(target__in=search.names_that_begin(text)), newest]
