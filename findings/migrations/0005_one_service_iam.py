from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.models import Exists, OuterRef


def name_it_once(apps: Any, schema_editor: Any) -> None:
    """Merges the service IAMUser into IAM: AWS uses both names in finding types.

    If both were set at one severity, IAMUser's setting stays, because it applied to most findings.
    """
    policies = apps.get_model("findings", "ThreatPolicy").objects
    of_users = policies.filter(service="IAMUser")
    same = of_users.filter(severity=OuterRef("severity"))
    policies.filter(Exists(same), service="IAM").delete()
    of_users.update(service="IAM")


class Migration(migrations.Migration):
    dependencies = [("findings", "0004_count_findings_by_kind")]

    operations = [migrations.RunPython(name_it_once, migrations.RunPython.noop)]
