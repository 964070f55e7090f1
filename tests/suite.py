"""How the suite runs: which tests run on every database, and how Hypothesis chooses examples.

Loaded by the portal's and the panel's pytest; docs/testing.md tells what follows from it.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

# The gate tries the same examples each time; --hypothesis-profile=explore tries new ones.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("gate")

_IN_PROCESS = {"db", "transactional_db", "django_db_serialized_rollback"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "every_database: runs on PostgreSQL too. Each test that uses a database in this process"
        " has it; one with a server in another process has to say so.",
    )
    config.addinivalue_line(
        "markers",
        "one_database: uses a database in this process, and runs on SQLite only. It says why.",
    )


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        in_process = item.get_closest_marker("django_db") or fixtures & _IN_PROCESS
        if in_process and not item.get_closest_marker("one_database"):
            item.add_marker("every_database")
