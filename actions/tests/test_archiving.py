"""Old findings go to the archive, each once, whenever it is stopped."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connections
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.models import ArchiveFile, Attempt, Reaction, State, Verdict
from actions.retention import archiving, parquet, places
from actions.retention.archiving import archive
from actions.retention.places import ArchiveError, Folder
from actions.tests.attacks import set_action
from actions.tests.old_findings import OLD, archived, by, ids, run, settle, stored
from findings import ingest as findings_ingest
from findings import sums, triage
from findings.models import Entity, Finding, Mention, Status, TriageEntry
from storage.locks import only_one

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.django_db
def test_the_archive_has_the_counts_that_the_database_had(folder: Path) -> None:
    for number in range(1, 7):
        stored(
            number,
            at=OLD + timedelta(days=number % 2),
            severity=2 + 3 * (number % 3),
            accountId=f"11111111111{number % 2}",
        )
    findings_ingest.ingest([{"no": "finding"}], settings={}, at=OLD)  # unparsed
    young = stored(9, at=timezone.now())
    before = {
        (one.account_id, one.severity, one.seen_at.date().isoformat())
        for one in Finding.objects.exclude(pk=young.pk)
    }
    shared = Entity.objects.get(name="i-0123456789abcdef0")
    assert shared.findings == 7

    assert run().archived == 7
    assert ids() == [young.finding_id]
    shared.refresh_from_db()
    assert (shared.findings, Mention.objects.filter(entity=shared).count()) == (1, 1)
    assert not Entity.objects.filter(name="81.2.0.2").exists()  # nothing names it any more
    assert not any(sums.recount(repair=False).values())
    rows = duckdb.execute(
        "SELECT account_id, coalesce(upper(nullif(severity, 'Unknown')), ''), day::VARCHAR,"  # noqa: S608
        " class_uid, metadata.product.name, cloud.region, finding_info.types,"
        " epoch_ms(time) = time_dt, time_dt::DATE::VARCHAR"
        f" FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true,"
        " hive_types = {account_id: VARCHAR, day: DATE})"
    ).fetchall()
    assert len(rows) == 7
    parsed = [row for row in rows if row[0] != "unknown"]
    assert {row[:3] for row in parsed} | {("", "", "2024-03-05")} == before
    for account, _, day, class_uid, product, region, types, is_same, seen in parsed:
        assert len(account) == 12
        assert (class_uid, product, region) == (2004, "GuardDuty", "eu-central-1")
        assert types == ["UnauthorizedAccess:EC2/SSHBruteForce"]
        assert is_same and seen == day


STEPS: dict[str, tuple[object, str]] = {
    "before the file is begun": (archiving, "_write"),
    "while it is written": (parquet, "write"),
    "before it is in the archive": (Folder, "write"),
    "before it is read again": (archiving, "read"),
    "before the transaction": (archiving, "_delete"),
    "in the transaction": (sums, "forget"),
}


@pytest.mark.one_database  # it takes long; stops and races below run on both
@pytest.mark.django_db
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("meanwhile", ["nothing", "an update", "a triage"])
def test_a_kill_at_any_step_loses_nothing_and_archives_nothing_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, meanwhile: str, operator: User
) -> None:
    class Killed(BaseException):
        pass

    def kill(*args: object, **more: object) -> None:
        raise Killed

    everything = [stored(number).finding_id for number in (1, 2, 3)]
    with monkeypatch.context() as patch:
        patch.setattr(*STEPS[step], kill)
        with pytest.raises(Killed):
            run()
    assert ids() == sorted(everything)
    first = Finding.objects.get(finding_id=everything[0])
    if meanwhile == "an update":  # an old one, so that the batch has other content
        stored(1, service={"count": 5})
    elif meanwhile == "a triage":
        change = triage.Change(status=Status.IN_PROGRESS)
        triage.triage([first.pk], change, by=by(operator), source=TriageEntry.Source.PAGE, at=OLD)
    run()
    assert sorted(archived(folder) + ids()) == sorted(everything)
    assert ids() == ([everything[0]] if meanwhile == "a triage" else [])
    if meanwhile == "an update":
        assert {
            raw
            for (raw,) in duckdb.execute(
                f"SELECT count FROM read_parquet('{folder}/**/*.parquet') ORDER BY 1"  # noqa: S608
            ).fetchall()
        } == {1, 5}
    assert not ArchiveFile.objects.filter(finished_at=None).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("is_seen_again", [False, True])
def test_what_changes_between_the_file_and_the_deletion_is_judged_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_seen_again: bool
) -> None:
    stored(1)
    original = archiving._delete

    def late(*args: Any) -> None:
        monkeypatch.setattr(archiving, "_delete", original)
        stored(1, at=timezone.now() if is_seen_again else OLD, service={"count": 7})
        original(*args)

    monkeypatch.setattr(archiving, "_delete", late)
    run()
    assert len(archived(folder)) + Finding.objects.count() == 1
    assert Finding.objects.exists() == is_seen_again
    counts = duckdb.execute(f"SELECT count FROM read_parquet('{folder}/**/*.parquet')").fetchall()  # noqa: S608
    assert counts == ([] if is_seen_again else [(7,)])


@pytest.mark.django_db
def test_a_process_that_empties_a_file_late_empties_no_finished_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lost its connection, and with it the lock, while S3 did not answer."""
    one = stored(1)
    original = Folder.write

    def last(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_delete", last)
        with pytest.raises(KeyboardInterrupt):
            run()

    late: list[tuple[str, bytes]] = []

    def hang(place: Folder, path: str, file: Path) -> None:
        late.append((path, file.read_bytes()))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", hang)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert run().archived == 1
    ((path, empty),) = late
    again = folder.parent / "late.parquet"
    again.write_bytes(empty)
    original(Folder(folder), path, again)
    assert archived(folder) == [one.finding_id]


@pytest.mark.django_db
def test_what_the_database_refuses_to_delete_stays_and_holds_up_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As the triggers do if the clock of the database is behind."""
    first, second = stored(1), stored(2, at=OLD + timedelta(days=1))
    original = sums.mentioned

    def refuse(pks: list[int]) -> sums.Forgotten:
        if first.pk in pks:
            raise IntegrityError("secret")
        return original(pks)

    monkeypatch.setattr(sums, "mentioned", refuse)
    result = run()
    assert (result.archived, result.kept) == (1, 1)
    assert (ids(), archived(folder)) == ([first.finding_id], [second.finding_id])
    assert "could not be deleted yet: IntegrityError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.one_database  # files
@pytest.mark.django_db
def test_a_full_disk_is_an_error_of_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(1)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write", full)
    with pytest.raises(ArchiveError, match="No space left on device"):
        run()
    assert Finding.objects.count() == 1


@pytest.mark.one_database  # files
@pytest.mark.django_db
def test_a_file_that_reads_back_as_another_deletes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(1)

    def write(place: Folder, path: str, file: Path) -> None:
        (place.root / path).parent.mkdir(parents=True, exist_ok=True)
        (place.root / path).write_bytes(b"half of a f")

    monkeypatch.setattr(Folder, "write", write)
    with pytest.raises(ArchiveError, match="has another content"):
        run()
    assert Finding.objects.count() == 1


@pytest.mark.django_db
def test_a_finished_action_goes_with_its_log(settings: Settings, folder: Path) -> None:
    settings.CONTAINMENT = "on"
    set_action("BLOCK")
    stored(1)
    settle(State.PREVENTED)
    block = Reaction.objects.get()
    Attempt.objects.create(reaction=block, at=OLD, succeeded=False, answer="Throttled")
    Verdict.objects.create(reaction=block, at=OLD, approved=True, by_name="oscar", reason="Yes")
    assert run().archived == 1
    assert not Reaction.objects.exists() and not Attempt.objects.exists()
    (path,) = places.Folder(folder).paths()
    ((action,),) = [one.actions for one in archiving.read(Folder(folder), path)]
    assert (action["kind"], action["target"], action["state"]) == ("BLOCK", "81.2.0.2", "prevented")
    assert action["attempts"][0]["answer"] == "Throttled"
    assert action["verdicts"][0]["reason"] == "Yes"


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_archives() -> None:
    stored(1)
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with only_one(archiving.LOCK):
                holds.set()
                done.wait(30)
        finally:
            connections.close_all()

    other = threading.Thread(target=hold)
    other.start()
    assert holds.wait(30)
    assert run().is_busy
    done.set()
    other.join()
    assert run().archived == 1


@pytest.mark.django_db
def test_a_stop_ends_it_after_a_batch_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(archiving, "_Size", partial(archiving._Size, 1))
    monkeypatch.setattr(archiving, "BATCH", 1)
    stop, original = threading.Event(), archiving._delete

    def stopping(*args: Any) -> None:
        original(*args)
        stop.set()

    everything = [stored(number).finding_id for number in (1, 2, 3)]
    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_delete", stopping)
        assert archive(Folder(folder), now=timezone.now(), stop=stop).archived == 1
    assert (len(archived(folder)), Finding.objects.count()) == (1, 2)
    assert run().archived == 2
    assert archived(folder) == everything
