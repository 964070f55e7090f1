"""A worker that works says so, and one that only fails does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from django.core.cache import cache
from django.db import connections
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import heartbeat, worker
from actions.heartbeat import Heart, Loop, last_beats
from actions.models import Reaction
from actions.tests.attacks import arrive, attack, set_action
from license import clock
from storage import journal


@pytest.fixture(autouse=True)
def _silence(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)  # it is the test's own
    monkeypatch.setattr(connections, "close_all", lambda: None)


def rounds(stop: threading.Event, *works: Callable[[], Any]) -> Callable[[], None]:
    """One after the other; the last stops the loop."""
    left = list(works)

    def work() -> None:
        if len(left) == 1:
            stop.set()
        left.pop(0)()

    return work


def test_a_round_without_an_error_is_a_beat() -> None:
    stop = threading.Event()
    worker._until(stop, Heart(Loop.RECEIVE), rounds(stop, lambda: None))
    assert list(last_beats()) == [Loop.RECEIVE]


def test_a_loop_that_fails_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs.example")

    monkeypatch.setattr(worker, "PAUSE", 0)
    stop = threading.Event()
    worker._until(stop, Heart(Loop.ACT), rounds(stop, fail, fail))
    assert last_beats() == {}


def test_a_beat_stores_the_time_of_aws_and_logs_the_heads_of_the_journals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="license.journal_heads")
    noon = timezone.now().replace(microsecond=0)
    clock.memory.note(clock.Source.AWS, noon)
    Heart(Loop.RECEIVE).beat()
    Heart(Loop.ACT).beat()
    assert clock.seen()[clock.Source.AWS] == noon
    told = [text for text in caplog.messages if text.startswith("Journal ")]
    assert len(told) == len(journal.journals()) >= 3


def test_a_shell_in_a_dry_run_leaves_it_to_a_worker_that_acts(settings: Settings) -> None:
    set_action("BLOCK")
    settings.CONTAINMENT = "on"
    Heart(Loop.ACT).beat()
    settings.CONTAINMENT = "dry-run"
    arrive(attack(1))
    assert Reaction.objects.get().state == "pending"


def test_a_worker_that_acts_no_more_decides_nothing(settings: Settings) -> None:
    set_action("BLOCK")
    settings.CONTAINMENT = "on"
    Heart(Loop.ACT).beat()
    settings.CONTAINMENT = "dry-run"
    assert not heartbeat.acts(timezone.now() + heartbeat.ALIVE)
    Heart(Loop.ACT).beat()  # a worker in a dry run
    assert heartbeat.acts(timezone.now())  # the other may still live
