from __future__ import annotations

import re
from collections import defaultdict
from datetime import timedelta

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Max
from django.utils import timezone

# As findings.titles was when this was written.
_MOST = 50
_number = re.compile(r"(?:[0-9][^0-9]*){4}")


def fill_titles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    """Store the words of the titles of the findings that are stored already."""
    findings = apps.get_model("findings", "Finding").objects
    mentions = apps.get_model("findings", "Mention").objects
    known_titles = apps.get_model("findings", "KnownTitle").objects
    known: dict[str, set[str]] = defaultdict(set)
    said = (
        findings.exclude(finding_type="")
        .order_by()
        .values_list("finding_type", "title")
        .annotate(one=Max("pk"))
    )
    for finding_type, title, pk in said.iterator():
        words = [word for word in title.split() if not _number.search(word)]
        if len(known[finding_type]) >= _MOST or " ".join(words)[:300] in known[finding_type]:
            continue
        names = set(mentions.filter(finding=pk).values_list("entity__name", flat=True))
        kept = (word for word in words if word.strip("\"'()[],.:;") not in names)
        known[finding_type].add(" ".join(kept)[:300])
    known_titles.bulk_create(
        [
            known_titles.model(finding_type=finding_type, words=words)
            for finding_type, titles in known.items()
            for words in titles
        ],
        ignore_conflicts=True,
    )


def mend_dates(apps: Apps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    """Date findings from the future by their arrival, so that they do not sort first for ever."""
    findings = apps.get_model("findings", "Finding").objects
    future = findings.filter(seen_at__gt=timezone.now() + timedelta(days=1))
    future.update(seen_at=F("received_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("findings", "0012_known_titles"),
    ]

    operations = [
        migrations.RunPython(fill_titles, migrations.RunPython.noop),
        migrations.RunPython(mend_dates, migrations.RunPython.noop),
    ]
