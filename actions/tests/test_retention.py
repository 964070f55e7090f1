"""Old findings go to the archive, each once, and come back from it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.api_auth import Caller
from actions import ingest
from actions.models import (
    ArchiveCopy,
    ArchiveFile,
    Attempt,
    Memory,
    Reaction,
    ReactionKind,
    State,
    Verdict,
)
from actions.retention import archiving, content, parquet, places, restoring
from actions.retention.archiving import Result, archive
from actions.retention.places import ArchiveError, Folder
from actions.tests.attacks import attack, set_action
from findings import ingest as findings_ingest
from findings import sums, triage
from findings.models import Entity, Finding, Mention, Status, TriageEntry
from storage.locks import only_one
from tests import roles
from tests.aws import REGION, Cloud

OLD = datetime(2024, 3, 5, 10, tzinfo=UTC)
ADDRESS = "81.2.0.2"


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_FOLDER = tmp_path / "archive"
    return tmp_path / "archive"


def stored(number: int, *, at: datetime = OLD, **members: Any) -> Finding:
    """Stores a finding that was last seen and received at this time, with the actions of then."""
    service = {"eventFirstSeen": at.isoformat(), "eventLastSeen": at.isoformat(), "count": 1}
    service |= members.pop("service", {})
    one = attack(number, service=service, **members)
    ingest.ingest([one], at=at)
    return Finding.objects.get(finding_id=one["id"])


def run(*, now: datetime | None = None) -> Result:
    return archive(
        places.configured(boto3.Session(region_name=REGION)),
        now=now or timezone.now(),
        stop=threading.Event(),
    )


def archived(folder: Path) -> list[str]:
    """Returns the IDs of the findings in the archive, read by DuckDB."""
    if not list(folder.rglob("*.parquet")):
        return []
    sql = f"SELECT finding_info.uid FROM read_parquet('{folder}/**/*.parquet') ORDER BY 1"  # noqa: S608
    return [uid for (uid,) in duckdb.execute(sql).fetchall()]


def ids() -> list[str]:
    return sorted(Finding.objects.values_list("finding_id", flat=True))


def by(user: User) -> Caller:
    return Caller(name=user.get_username(), user=user)


def settle(state: State, **fields: Any) -> None:
    """Settles the pending actions in the past, as a worker did."""
    values = {"settled_at": OLD, "due_at": None, "lifts_at": None} | fields
    QuerySet.update(Reaction.objects.filter(state=State.PENDING), state=state, **values)


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
    assert not Entity.objects.filter(name=ADDRESS).exists()  # nothing names it any more
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


@pytest.mark.django_db
def test_a_full_disk_is_an_error_of_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(1)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write", full)
    with pytest.raises(ArchiveError, match="No space left on device"):
        run()
    assert Finding.objects.count() == 1


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


def _pending(settings: Settings, operator: User) -> None:
    pass


def _in_force(settings: Settings, operator: User) -> None:
    settle(State.DONE)


def _to_be_lifted(settings: Settings, operator: User) -> None:
    settle(State.FAILED, lifts_at=timezone.now())


def _did_a_part(settings: Settings, operator: User) -> None:
    settle(State.FAILED)
    Memory.objects.create(reaction=Reaction.objects.get(), resource="x", before={}, at=OLD)


def _tried_lately(settings: Settings, operator: User) -> None:
    settle(State.FAILED)
    Attempt.objects.create(
        reaction=Reaction.objects.get(), at=timezone.now(), succeeded=False, answer="no"
    )


def _open_case(settings: Settings, operator: User) -> None:
    settle(State.PREVENTED)
    Finding.objects.update(status=Status.IN_PROGRESS)


def _assigned(settings: Settings, operator: User) -> None:
    settle(State.PREVENTED)
    Finding.objects.update(assignee=operator)


def _noted_lately(settings: Settings, operator: User) -> None:
    settle(State.PREVENTED)
    triage.triage(
        [Finding.objects.get().pk],
        triage.Change(note="hm"),
        by=by(operator),
        source=TriageEntry.Source.PAGE,
        at=timezone.now(),
    )


def _received_lately(settings: Settings, operator: User) -> None:
    settle(State.PREVENTED)
    Finding.objects.update(received_at=timezone.now())


def _kept_for_ever(settings: Settings, operator: User) -> None:
    settle(State.PREVENTED)
    settings.RETENTION_DAYS = "0"


KEPT: list[Callable[[Settings, User], None]] = [
    _pending,
    _in_force,
    _to_be_lifted,
    _did_a_part,
    _tried_lately,
    _open_case,
    _assigned,
    _noted_lately,
    _received_lately,
    _kept_for_ever,
]


@pytest.mark.django_db
@pytest.mark.parametrize("case", KEPT)
def test_what_is_in_force_or_open_stays(
    settings: Settings, operator: User, case: Callable[[Settings, User], None]
) -> None:
    settings.CONTAINMENT = "on"
    settings.BLOCK_FOR = ""
    set_action("BLOCK")
    stored(1)
    assert Reaction.objects.get().state == State.PENDING
    case(settings, operator)
    assert run().archived == 0
    assert (Finding.objects.count(), Reaction.objects.count()) == (1, 1)


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


@pytest.mark.django_db
def test_an_unblock_stays_as_long_as_a_block_before_it(settings: Settings) -> None:
    settings.CONTAINMENT = "on"
    set_action("BLOCK")
    attacker = "81.2.3.4"

    def act(found: Finding, kind: ReactionKind) -> None:
        Reaction.objects.create(
            finding=found,
            kind=kind,
            target_kind="address",
            target=attacker,
            why="",
            state=State.DONE,
            decided_at=OLD,
            settled_at=OLD,
        )

    newer, older = stored(2, at=timezone.now()), stored(1)
    settle(State.PREVENTED)
    act(newer, ReactionKind.BLOCK)
    act(older, ReactionKind.BLOCK)
    act(older, ReactionKind.UNBLOCK)
    done = Reaction.objects.filter(target=attacker)
    assert not done.in_force().exists()
    assert run().archived == 0  # else the block of the newer finding would be in force again
    Finding.objects.filter(pk=newer.pk).update(seen_at=OLD, received_at=OLD)
    sums.recount()
    assert run().archived == 2  # all of them together
    assert not done.exists()


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


def test_every_table_that_refers_to_findings_and_actions_has_a_rule() -> None:
    """A table that is new here needs one in actions/retention/: does it go too, or keep them?"""

    def refer(model: Any) -> set[str]:
        return {one.related_model.__name__ for one in model._meta.related_objects}

    assert refer(Finding) == {"ArchiveCopy", "Mention", "Reaction", "TriageEntry"}
    assert refer(Reaction) == {"Attempt", "Memory", "Verdict"}


@pytest.mark.django_db
def test_triggers_let_go_what_is_old_and_settled_only(settings: Settings) -> None:
    settings.CONTAINMENT = "on"
    set_action("BLOCK")
    stored(1)
    stored(2)
    settle(State.DONE, settled_at=timezone.now() - timedelta(days=89))
    assert _refused("DELETE FROM actions_reaction")
    first = Reaction.objects.first()
    assert first
    for at in (OLD, timezone.now() - timedelta(days=89)):
        Attempt.objects.create(reaction=first, at=at, succeeded=True, answer="")
    assert _refused("DELETE FROM actions_attempt")
    young = Attempt.objects.order_by("pk").last()
    assert young
    assert not _refused(f"DELETE FROM actions_attempt WHERE id < {young.pk}")  # noqa: S608
    assert _refused("UPDATE actions_attempt SET answer = 'x'")


def _refused(sql: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    except IntegrityError as error:
        return "Nothing was changed." in str(error)
    return False
