"""A license key, however it is installed, appears only in its database row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from license.tests import keys
from license.tests.keys import make_license
from tests.databases import PASSWORD, Databases
from tests.server import Server, running, with_shell

HTML = {"Accept": "text/html"}


def traces(key: str, text: str) -> list[str]:
    """Return the blocks of 10 characters of the key, without its header, in the text.

    Whoever repeats 19 characters in a row repeats a whole block.
    """
    _, payload, signature = key.split(".")
    blocks = [
        part[i : i + 10] for part in (payload, signature) for i in range(0, len(part) - 9, 10)
    ]
    return [block for block in blocks if block in text]


KEYS = {
    "good": lambda: make_license(days=300),
    "expired": lambda: make_license(begins=timedelta(days=-40)),
    "other account": lambda: make_license(aws_account_id="210987654321"),
    "forged": lambda: make_license(signing_key=keys.other_key()),
    "worse": lambda: make_license(days=1),
    "cut": lambda: make_license()[:-5],
}


class Administrator:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = requests.Session()
        self.post("/accounts/login/", {"login": "admin", "password": PASSWORD})

    def post(self, path: str, fields: dict[str, str], token_from: str = "") -> requests.Response:
        page = self.session.get(self.server.url + (token_from or path), headers=HTML)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token, page.text
        return self.session.post(
            self.server.url + path,
            fields | {"csrfmiddlewaretoken": token[1]},
            headers=HTML | {"Referer": self.server.url + path},
            timeout=30,
        )


@pytest.fixture(scope="module")
def portal(databases: Databases) -> Iterator[Server]:
    with running(databases) as started, with_shell(started) as server:
        server.install(make_license(days=30))
        yield server


def assert_hidden(key: str, answers: list[requests.Response]) -> None:
    for answer in answers:
        assert answer.status_code < 500
        # What was typed stays in the field that it was typed into, and nowhere else.
        shown = re.sub(r"<textarea.*?</textarea>|<input[^>]*>", "", answer.text, flags=re.DOTALL)
        assert traces(key, shown) == [], answer.url
        assert traces(key, f"{answer.url} {answer.headers}") == []


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_that_is_installed_is_neither_logged_nor_shown(portal: Server, kind: str) -> None:
    key = KEYS[kind]()
    somebody = Administrator(portal)
    answers = [
        somebody.post("/license/preview", {"key": key}, "/license"),
        somebody.post("/license", {"key": key}),
        somebody.post("/admin/license/license/add/", {"key": key}),
    ]
    for path in ("/license", "/admin/license/license/", "/threats", "/license/status"):
        answers.append(somebody.session.get(portal.url + path, headers=HTML))
    rows = re.findall(r"/admin/license/license/(\d+)/change/", answers[-3].text)
    assert rows
    for row in rows:
        answers.append(
            somebody.session.get(f"{portal.url}/admin/license/license/{row}/change/", headers=HTML)
        )
    assert_hidden(key, answers)
    assert traces(key, portal.log) == []


def test_a_key_that_is_pasted_in_the_wrong_place_is_neither_logged_nor_shown(
    portal: Server,
) -> None:
    key = make_license(days=300)
    somebody = Administrator(portal)
    answers = [
        somebody.post("/accounts/login/?next=/x", {"login": key, "password": key}, "/license"),
        somebody.session.put(f"{portal.url}/findings", json={"key": key, "policies": [key]}),
        portal.request("POST", "/oauth/token", data={"client_id": key, "client_secret": key}),
        portal.request("PUT", "/findings", headers={"Authorization": f"Bearer {key}"}),
    ]
    anonymous = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/license", "/license/preview", "/nowhere", "/findings", "/admin/login/"):
        answers += [
            portal.request("POST", path, data=key, headers=anonymous | HTML),
            portal.request("POST", path, data={"key": key}),
            portal.request("PUT", path, json={"key": key}),
            somebody.session.post(portal.url + path, {"key": key}, headers=HTML),  # without CSRF
            somebody.session.post(portal.url + path, files={"key": ("key.txt", key)}),
        ]
    assert_hidden(key, answers)
    assert traces(key, portal.log) == []


@pytest.mark.parametrize("kind", ["good", "cut"])
def test_a_key_is_not_printed_by_a_command(portal: Server, kind: str, tmp_path: Path) -> None:
    key = KEYS[kind]()
    file = tmp_path / "key.txt"
    file.write_text(key)
    for arguments in (
        ["setlicense", "-"],
        ["setlicense", "-", "--dry-run"],
        ["setlicense", key],
        ["setlicense", key[:400], key[400:]],  # as a mail client breaks it
        ["setlicense", key[:400], f"-{key[400:]}"],  # where base64url has a hyphen
        ["setlicense", key[:400], f"-v{key[400:]}"],
        ["setlicense", "--file", str(file), key],
        ["setlicense", "--file", str(file)],
        ["setlicense", "--file", key],
        ["license", "--json"],
    ):
        done = portal.manage(*arguments, stdin=key)
        assert traces(key, done.stdout + done.stderr) == []


_NO_ROOM = """
from django.db import connection
connection.cursor().execute(
    "ALTER TABLE license_license ADD CHECK (false) NOT VALID"  # its error would quote the row
    if connection.vendor == "postgresql"
    else "CREATE TRIGGER no_room BEFORE INSERT ON license_license"
    " BEGIN SELECT RAISE(ABORT, 'no room'); END"
)
"""


@pytest.mark.every_database
def test_a_key_that_could_not_be_stored_is_neither_logged_nor_shown(server: Server) -> None:
    key = make_license()
    assert server.manage("shell", "-v0", "-c", _NO_ROOM).returncode == 0
    somebody = Administrator(server)
    for path in ("/license", "/admin/license/license/add/"):
        answer = somebody.post(path, {"key": key})
        assert answer.status_code == 500
        assert "Something went wrong" in answer.text
        assert traces(key, answer.text) == []
        assert f"Internal Server Error: {path}" in server.log
    done = server.manage("setlicense", "-", stdin=key)
    assert done.returncode != 0
    assert traces(key, done.stdout + done.stderr + server.log) == []


@pytest.mark.parametrize("kind", ["good", "cut"])
def test_a_key_in_the_environment_is_not_logged(databases: Databases, kind: str) -> None:
    key = KEYS[kind]()
    with running(databases, LICENSE_KEY=key) as server:
        assert "LICENSE_KEY was" in server.log
        assert traces(key, server.log) == []


def test_the_search_finds_what_it_looks_for() -> None:
    key = make_license()
    assert traces(key, f"oops: {key}")
    assert traces(key, f"oops: {key[-20:]}")
