"""Fixtures for a real server and a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from license.tests import keys
from tests import server as servers
from tests.databases import Databases
from tests.person import new_context, page_in, sign_in
from tests.server import ROOT, Server
from tests.threats import put, setting

_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def databases(
    tmp_path_factory: pytest.TempPathFactory, shared_folder: Path, migrated_database: str
) -> Databases:
    """The databases of the servers that this pytest worker starts."""
    of_the_portal = settings.ROOT_URLCONF == "threatreaction.urls"  # not of the panel
    migrated = migrated_database if of_the_portal else ""
    return Databases(tmp_path_factory.mktemp("portal"), shared_folder, migrated)


@pytest.fixture(scope="session")
def _running_portal(databases: Databases) -> Iterator[Server]:
    with servers.running(databases) as running, servers.with_shell(running) as portal:
        yield portal


@pytest.fixture
def server(databases: Databases, _running_portal: Server) -> Server:
    """The shared server with the initial database: the users and the API client of tests.databases.

    It has no license and no policy.
    """
    return servers.restored(_running_portal, databases)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The Chromium of the system, without the parts for a screen if it is there."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    path = next(filter(None, map(shutil.which, names)), None)
    assert path, "Chromium is missing. On Debian: apt-get install chromium-headless-shell"
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *root])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def _browser_context(chromium: Browser, _running_portal: Server) -> Iterator[BrowserContext]:
    with new_context(chromium, _running_portal.url) as context:
        yield context


@pytest.fixture
def page(_browser_context: BrowserContext, server: Server) -> Iterator[Page]:
    """A browser page of `server`, without cookies."""
    with page_in(_browser_context, server.url) as page:
        yield page


@pytest.fixture
def threats(page: Page, server: Server) -> Page:
    """The Threats page for an operator, with a license and one rule: BLOCK for EC2 at HIGH."""
    server.install(keys.make_license(jti="the first"))
    put(server, setting("BLOCK", service="EC2", severity="HIGH"))
    sign_in(page, "oscar")
    page.goto("/threats")
    return page


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files in git, in a folder with a space in its name, with this run's .venv."""
    return copy_of_checkout(tmp_path / "a checkout")


def copy_of_checkout(folder: Path) -> Path:
    """Copy the files in git, and link this run's .venv.

    The bytecode is there too, because programs take twice as long to start without.
    """
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    names = [Path(name) for name in filter(None, tracked.stdout.split("\0"))]
    caches = {name.parent / "__pycache__" for name in names}
    bytecode = [file.relative_to(ROOT) for cache in caches for file in (ROOT / cache).glob("*.pyc")]
    for name in [*names, *bytecode]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)  # bytecode is for a file of a certain time
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder
