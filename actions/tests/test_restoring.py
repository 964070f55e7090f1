"""Findings come back from the archive as they were."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import boto3
import duckdb
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.models import ArchiveCopy, Reaction
from actions.retention import content, places, restoring
from actions.retention.archiving import archive
from actions.retention.places import ArchiveError
from actions.tests.attacks import set_action
from actions.tests.old_findings import OLD, archived, by, ids, run, stored
from findings import sums, triage
from findings.models import Entity, Finding, Status, TriageEntry
from tests import roles
from tests.aws import REGION, Cloud

pytestmark = [pytest.mark.usefixtures("folder"), pytest.mark.one_database]  # files


@pytest.mark.every_database  # rows of all tables
@pytest.mark.django_db
def test_a_day_comes_back_as_it_was_and_nothing_is_done_about_it(
    settings: Settings, folder: Path, operator: User, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = stored(1), stored(2, at=OLD + timedelta(days=1))
    change = triage.Change(status=Status.BENIGN, note="Our scanner.")
    triage.triage([first.pk], change, by=by(operator), source=TriageEntry.Source.PAGE, at=OLD)
    before = content.of([first.pk])[first.pk]
    totals = Entity.objects.get(name="i-0123456789abcdef0").findings
    run()
    settings.CONTAINMENT = "on"
    set_action("BLOCK")
    day = folder / "account_id=123456789012" / "day=2024-03-05"
    call_command("importfindings", str(day))
    assert "1 stored, 0 updated, 0 unchanged" in capsys.readouterr().out
    back = Finding.objects.get()
    assert content.of([back.pk])[back.pk] == before
    assert (back.status, back.triage_entries.get().note) == (Status.BENIGN, "Our scanner.")
    assert not Reaction.objects.exists()
    assert not any(sums.recount(repair=False).values())
    assert Entity.objects.get(name="i-0123456789abcdef0").findings == totals - 1

    client = Client()
    client.force_login(operator)
    page = client.get(f"/events/{back.pk}").content.decode()
    assert "was brought back from the archive" in page
    assert "decides on no action for it" in page
    assert "are in the archive, unless" in client.get("/events").content.decode()

    call_command("importfindings", str(folder))
    assert "1 stored, 0 updated, 1 unchanged" in capsys.readouterr().out
    assert ids() == [first.finding_id, second.finding_id]
    assert (run().archived, Finding.objects.count()) == (0, 2)  # for 30 days
    Finding.objects.filter(finding_id=second.finding_id).update(status=Status.BENIGN, closed_at=OLD)
    result = run(now=timezone.now() + timedelta(days=31))
    assert (result.returned, result.archived, Finding.objects.count()) == (1, 1, 0)
    assert archived(folder) == [first.finding_id, second.finding_id, second.finding_id]
    assert not ArchiveCopy.objects.exists()


@pytest.mark.django_db
def test_a_copy_whose_file_is_gone_is_archived_again(folder: Path) -> None:
    one = stored(1)
    run()
    call_command("importfindings", str(folder))
    for file in folder.rglob("*.parquet"):
        file.unlink()
    assert run(now=timezone.now() + timedelta(days=31)).archived == 1
    assert archived(folder) == [one.finding_id]


@pytest.mark.django_db
def test_a_file_that_is_none_of_the_archive_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, sql in {
        "other": "SELECT 1 AS x",
        "row": "SELECT '{}' AS raw_data, {finding: '{}', names: '[]', triage: '[]', actions: '[]'}"
        " AS unmapped",
    }.items():
        duckdb.execute(f"COPY ({sql}) TO '{tmp_path}/{name}.parquet'")
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(CommandError, match="Rejected: 3"):
        call_command("importfindings", str(tmp_path))
    told = capsys.readouterr().err
    assert f"{tmp_path}/text.parquet: It is not a file of the archive." in told
    assert f"{tmp_path}/other.parquet: It is not a file of the archive." in told
    assert f"{tmp_path}/row.parquet: It has a row that is none of a finding." in told


@pytest.mark.django_db
@pytest.mark.every_database  # PostgreSQL alone limits the length of a name
@pytest.mark.parametrize(
    "change",
    [
        "'no JSON' AS raw_data",
        "struct_update(unmapped, names := repeat('[', 100000)) AS unmapped",
        "struct_update(unmapped, names := '[[\"user\", \"' || repeat('x', 513) || '\", true]]')"
        " AS unmapped",
        "struct_update(unmapped, finding := replace(unmapped.finding, '\"count\": 1',"
        " '\"count\": Infinity')) AS unmapped",
        "struct_update(unmapped, finding := replace(unmapped.finding, '2024-03-05T10:00:00+00:00',"
        " '0001-01-01T00:00:00+14:00')) AS unmapped",
    ],
)
def test_a_row_that_no_finding_can_have_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    stored(1)
    run()
    (file,) = folder.rglob("*.parquet")
    forged = tmp_path / "forged.parquet"
    duckdb.execute(f"COPY (SELECT * REPLACE ({change}) FROM '{file}') TO '{forged}'")  # noqa: S608
    with pytest.raises(CommandError, match="Rejected: 1"):
        call_command("importfindings", str(forged))
    assert str(forged) in capsys.readouterr().err
    assert not Finding.objects.exists() and not Entity.objects.exists()


@pytest.mark.django_db
def test_a_bucket_with_a_prefix(cloud: Cloud, session: boto3.Session, settings: Settings) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="history", CreateBucketConfiguration={"LocationConstraint": REGION})
    settings.ARCHIVE_BUCKET = "history/of/findings"
    one = stored(1)
    place = places.configured(session)
    assert archive(place, now=timezone.now(), stop=threading.Event()).archived == 1
    (key,) = [each["Key"] for each in s3.list_objects_v2(Bucket="history")["Contents"]]
    assert key.startswith("of/findings/account_id=123456789012/day=2024-03-05/")
    held = boto3.Session(region_name=REGION)  # of the task in which people run commands
    roles.hold(held, roles.MAINTENANCE)
    refused: list[str] = []
    name = "s3://history/of/findings/account_id=123456789012/day=2024-03-05/"
    found = restoring.restore(
        name, now=timezone.now(), session=held, refuse=lambda *told: refused.extend(told)
    )
    assert (found.stored, refused) == (1, [])
    assert ids() == [one.finding_id]
    assert ArchiveCopy.objects.get().path == key.removeprefix("of/findings/")
    cloud.fail("PUT", "SlowDown", status=503)
    stored(2)
    with pytest.raises(ArchiveError, match="SlowDown"):
        archive(place, now=timezone.now(), stop=threading.Event())
    assert Finding.objects.count() == 2
