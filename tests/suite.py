"""A pytest plugin that marks tests for every database and configures Hypothesis.

The portal's and the panel's test suites load it. See docs/testing.md.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pytest_django import DjangoDbBlocker

# By default, each run tries the same examples; --hypothesis-profile=explore tries new ones.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("gate")

# With the thresholds of Python, collections take a quarter of a run: they search all imported
# modules again and again.
gc.disable()

_IN_PROCESS = {"db", "transactional_db", "django_db_serialized_rollback"}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line(
        "markers",
        "every_database: also runs on PostgreSQL. Tests that use a database in this process get the"
        " mark automatically; tests of a server in another process must set it.",
    )
    config.addinivalue_line(
        "markers",
        "one_database: uses a database in this process, but runs only on SQLite. State the reason.",
    )


@pytest.hookimpl(tryfirst=True)  # before -m selects tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the mark `every_database` to tests that use a database in this process."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        in_process = item.get_closest_marker("django_db") or fixtures & _IN_PROCESS
        if in_process and not item.get_closest_marker("one_database"):
            item.add_marker("every_database")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Let the garbage collector search only what the tests make, and less often."""
    gc.freeze()
    gc.set_threshold(3_000, 20, 1_000)
    gc.enable()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all pytest workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def migrated_database(django_db_blocker: DjangoDbBlocker, shared_folder: Path) -> str:
    """The database that one pytest worker has migrated for all."""
    from tests import migrated  # imports Django, for which it is too early above

    with django_db_blocker.unblock():
        return migrated.template(shared_folder)


@pytest.fixture(autouse=True, scope="session")
def _flushes_past_triggers() -> Iterator[None]:
    """Let tests with committed transactions empty the append-only tables."""
    from tests.tampering import flushes_past_triggers

    with flushes_past_triggers():
        yield
