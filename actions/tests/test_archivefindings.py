"""`manage.py archivefindings`."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from actions.tests.old_findings import stored
from findings.models import Finding, Status

pytestmark = [pytest.mark.usefixtures("folder"), pytest.mark.one_database]  # what a command prints


@pytest.mark.django_db
def test_the_command_tells_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    stored(1)
    stored(2)
    Finding.objects.filter(finding_id=f"{2:032x}").update(status=Status.IN_PROGRESS)
    call_command("archivefindings", "--dry-run")
    assert "Would archive 1 findings" in capsys.readouterr().out
    assert Finding.objects.count() == 2
    call_command("archivefindings")
    told = capsys.readouterr().out
    assert "Archived 1 findings" in told and "1 findings from before" in told
