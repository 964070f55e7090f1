"""Which findings are old enough for the archive, and which stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions.models import Attempt, Memory, Reaction, ReactionKind, State
from actions.tests.attacks import set_action
from actions.tests.old_findings import OLD, by, run, settle, stored
from findings import sums, triage
from findings.models import Finding, Status, TriageEntry

pytestmark = pytest.mark.usefixtures("folder")


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
