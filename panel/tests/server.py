"""The panel as it is deployed, beside the portal of tests.server, on a database of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from panel.tests.signing_in import totp
from tests.server import Databases, Server, base_environment, free_port, manage, serving

STAFF = "sam@vendor.example"


class PanelDatabases(Databases):
    """With a member of staff, and nobody else."""

    def __init__(self, folder: Path, signing_key_path: Path) -> None:
        self.signing_key_path = signing_key_path
        super().__init__(folder)

    def prepare(self, database_url: str) -> None:
        environment = self.environment("http://localhost", database_url)
        for arguments in (
            ("migrate", "-v0"),
            ("createstaff", STAFF),
            ("collectstatic", "--no-input", "-v0"),
        ):
            done = manage(environment, *arguments)
            assert done.returncode == 0, done.stderr

    def environment(self, url: str, database_url: str) -> dict[str, str]:
        of_the_portal = ("PORTAL_URL", "AWS_ACCOUNT_ID", "LICENSE_PUBLIC_KEY_PATH")
        kept = base_environment(self.folder)
        return {name: kept[name] for name in kept if name not in of_the_portal} | {
            "DJANGO_SETTINGS_MODULE": "panel.settings",
            "PANEL_URL": f"{url}/panel",
            "PANEL_DATABASE_URL": database_url,
            "LICENSE_SIGNING_KEY": str(self.signing_key_path),
        }


@contextmanager
def running(databases: PanelDatabases, **environment: str) -> Iterator[Server]:
    """The panel on a free port. Its mail is in its log."""
    port = free_port()
    url = f"http://localhost:{port}"
    with databases.copy() as database_url:
        whole = databases.environment(url, database_url) | environment
        panel = Server(url, whole, databases.folder / f"{port}.log")
        with serving("panel.wsgi", panel, ready="/panel/public-key.pem"):
            yield panel


def sign_in_staff(page: Page, panel: Server) -> str:
    """For the first time: sets up an authenticator app, whose secret is returned."""
    sign_in(page, panel, STAFF)
    page.get_by_role("link", name="Set up").click()
    secret = page.get_by_label("Secret").input_value()
    page.get_by_label("Code").fill(totp(secret))
    page.get_by_role("button", name="Turn on").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    return secret


def sign_in(page: Page, panel: Server, email: str) -> None:
    """With the code that was mailed."""
    ask_for_code(page, panel, email)
    enter_code(page, panel)


def ask_for_code(page: Page, panel: Server, email: str) -> None:
    page.goto(f"{panel.url}/panel/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Send the code").click()


def enter_code(page: Page, panel: Server, *, then: str = "") -> None:
    """The newest that was mailed. Waits for the heading that follows, or for being signed in."""
    codes = re.compile(r"^Enter this code where you are signing (?:in|up):\s+(\S+)$", re.MULTILINE)
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
