"""The titles of findings, for the search: few for each type, because most only differ in IDs.

GuardDuty makes the title of a finding from a text that depends on the type, and from the names of
what it is about. The search knows the former, so that it need not read a million titles.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from findings.models import KnownTitle
from storage import bulk

MOST = 50  # for each type, so that titles of which each is different fill no table
_MAX_LENGTH = 300
_number = re.compile(r"(?:[0-9][^0-9]*){4}")  # such as an address, an instance, an account or a key


def words_of(title: str, names: Collection[str]) -> str:
    """Returns the words of a title, but for the names of entities and words with four digits."""
    kept = (
        word
        for word in title.split()
        if not _number.search(word) and word.strip("\"'()[],.:;") not in names
    )
    return " ".join(kept)[:_MAX_LENGTH]


def remember(said: Iterable[tuple[str, str]]) -> None:
    """Stores finding types with the words of a title, unless they are known.

    At most MOST for each type. Must be called in a transaction.
    """
    wanted = set(said)
    known = by_type({finding_type for finding_type, _ in wanted})
    missing = []
    for finding_type, words in sorted(wanted):
        if words not in known[finding_type] and len(known[finding_type]) < MOST:
            known[finding_type].append(words)
            missing.append((finding_type, words))
    bulk.insert(KnownTitle, ["finding_type", "words"], missing, ignore_conflicts=True)


def by_type(finding_types: Collection[str] | None = None) -> defaultdict[str, list[str]]:
    """Returns what is known of the titles of these types, or of all types of stored findings."""
    rows = KnownTitle.objects.all()
    if finding_types is not None:
        rows = rows.filter(finding_type__in=finding_types)
    known = defaultdict(list)
    for finding_type, words in rows.values_list("finding_type", "words"):
        known[finding_type].append(words)
    return known
