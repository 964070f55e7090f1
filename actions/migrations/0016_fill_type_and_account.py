from __future__ import annotations

from typing import Any

from django.db import migrations, models, transaction
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from storage.indexes import AddIndexBesideWrites

BATCH = 1_000  # actions in one transaction, for which workers wait


def fill(apps: Any, schema_editor: Any) -> None:
    """Store the finding type and the account of stored actions. Can be killed and repeated."""
    reactions = apps.get_model("actions", "Reaction").objects
    findings = apps.get_model("findings", "Finding").objects.filter(pk=OuterRef("finding_id"))
    last = 0
    while True:
        with transaction.atomic():
            rows = reactions.filter(pk__gt=last, finding_account_id=None).order_by("pk")
            pks = list(rows.select_for_update().values_list("pk", flat=True)[:BATCH])
            if not pks:
                return
            reactions.filter(pk__in=pks).update(
                finding_type=Coalesce(Subquery(findings.values("finding_type")), Value("")),
                finding_account_id=Coalesce(Subquery(findings.values("account_id")), Value("")),
            )
        last = pks[-1]


class Migration(migrations.Migration):
    atomic = False  # each batch locks its actions only until it is done

    dependencies = [("actions", "0015_type_and_account")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        AddIndexBesideWrites(
            model_name="reaction",
            index=models.Index(fields=["finding_type", "-id"], name="reaction_by_finding_type"),
        ),
        AddIndexBesideWrites(
            model_name="reaction",
            index=models.Index(
                fields=["finding_account_id", "-id"], name="reaction_by_finding_account"
            ),
        ),
    ]
