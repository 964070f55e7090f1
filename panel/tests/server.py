"""Runs the panel as deployed, next to the portal of tests.server, on a separate database."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page

from panel.tests.environment import SELLING
from panel.tests.signing_in import totp
from tests.databases import Databases
from tests.server import Server, listening, serving

STAFF = "sam@vendor.example"


class PanelDatabases(Databases):
    """With one staff user."""

    name = "panel"

    def __init__(
        self, folder: Path, shared: Path, migrated: str, *, signing_key_path: Path
    ) -> None:
        self.signing_key_path = signing_key_path
        super().__init__(folder, shared, migrated)

    def prepare(self, database_url: str) -> None:
        self._run(
            self.environment(database_url),
            ("migrate", "-v0"),
            ("createstaff", STAFF),
            ("collectstatic", "--no-input", "-v0"),
        )

    def environment(self, database_url: str, url: str = "http://localhost") -> dict[str, str]:
        portal = super().environment(database_url, url)
        of_the_portal = ("DATABASE_URL", "PORTAL_URL", "AWS_ACCOUNT_ID", "LICENSE_PUBLIC_KEY_PATH")
        return (
            {name: portal[name] for name in portal if name not in of_the_portal}
            | SELLING
            | {
                "DJANGO_SETTINGS_MODULE": "panel.tests.settings",
                "PANEL_URL": f"{url}/panel",
                "PANEL_DATABASE_URL": database_url,
                "LICENSE_SIGNING_KEY": str(self.signing_key_path),
            }
        )


@contextmanager
def running(databases: PanelDatabases, **environment: str) -> Iterator[Server]:
    """Runs the panel on a copy of its database. Its mail is in its log."""
    with databases.copy() as database_url, listening() as (listener, url):
        whole = databases.environment(database_url, url) | environment
        panel = Server(url, whole, databases.folder / f"{urlsplit(url).port}.log", database_url)
        with serving("panel.wsgi", panel, listener, ready="/panel/public-key.pem"):
            yield panel


def sign_in_staff(page: Page, panel: Server) -> str:
    """Signs in for the first time, sets up an authenticator app and returns its secret."""
    sign_in(page, panel, STAFF)
    page.get_by_role("link", name="Set up").click()
    secret = page.get_by_label("Secret").input_value()
    page.get_by_label("Code").fill(totp(secret))
    page.get_by_role("button", name="Turn on").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    return secret


def sign_in(page: Page, panel: Server, email: str) -> None:
    """Signs in with the emailed code."""
    ask_for_code(page, panel, email)
    enter_code(page, panel)


def ask_for_code(page: Page, panel: Server, email: str) -> None:
    page.goto(f"{panel.url}/panel/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Send the code").click()


def enter_code(page: Page, panel: Server, *, then: str = "") -> None:
    """Enters the latest emailed code. Waits for the next heading, or for being signed in."""
    codes = re.compile(r"^Enter this code to sign (?:in|up):\s+(\S+)$", re.MULTILINE)
    page.get_by_role("heading", name="Enter the code").wait_for()
    deadline = time.monotonic() + 10
    while not (sent := codes.findall(panel.log)):
        assert time.monotonic() < deadline, panel.log
        time.sleep(0.05)
    page.get_by_label("Code").fill(sent[-1])
    page.get_by_role("button", name="Continue").click()
    if then:
        page.get_by_role("heading", name=then).wait_for()
    else:
        page.get_by_role("button", name="Sign out").wait_for()


def place_order(page: Page, term: str = "12 months") -> None:
    """Fills in the open order form and sends it."""
    page.get_by_label(term, exact=True).check()
    page.get_by_label("Company").fill("Example Corp")
    page.get_by_label("Street and number").fill("Main St 1")
    page.get_by_label("City").fill("Berlin")
    page.get_by_label("Country").select_option("DE")
    page.get_by_role("button", name="Place order").click()
    page.get_by_role("heading", name=re.compile(r"Order \d+")).wait_for()
