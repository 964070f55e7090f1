"""The lifecycle of a license over HTTP: installed, expired, renewed."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from license.tests import keys
from license.tests.keys import make_license
from tests.databases import Databases
from tests.person import sign_in
from tests.server import Server, running

TYPE = "UnauthorizedAccess:EC2/SSHBruteForce"
BLOCK = {"policies": [{"finding_type": TYPE, "severity": "HIGH", "action": "BLOCK"}]}


def test_writes_end_with_the_license_and_come_back_with_the_next(
    page: Page, server: Server
) -> None:
    ends = keys.now() + timedelta(seconds=12)
    server.install(make_license(begins=timedelta(days=-1), expires_at=ends))
    sign_in(page, "ada")
    bearer = {"Authorization": f"Bearer {server.access_token()}"}

    answer = server.request("PUT", "/findings", json=BLOCK, headers=bearer)
    assert answer.status_code == 200
    assert [change["to"] for change in answer.json()["changed"]] == ["BLOCK"]
    page.goto("/threats")
    expect(blocked(page)).to_be_visible()

    time.sleep(max((ends - keys.now()).total_seconds(), 0) + 0.1)  # what is tested is the lapse
    refused = server.request("PUT", "/findings", json=BLOCK, headers=bearer)
    short = {
        "type": f"{server.url}/problems/license-expired",
        "title": "License expired",
        "status": 403,
        "code": "license_expired",
        "license_url": f"{server.url}/license",
    }
    # A stranger, and a token too, which is no signed-in session, is told neither date nor account.
    for answer in (refused, server.request("PUT", "/findings", json=BLOCK)):
        assert answer.status_code == 403
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Link"] == '</license>; rel="help"'
        assert "Retry-After" not in answer.headers
        document = answer.json()
        assert not re.search("[0-9]", document.pop("detail"))
        assert document == short
    assert server.request("GET", "/problems/license-expired").status_code == 200
    told = page.request.put("/findings", data=BLOCK)
    assert (told.status, told.headers["link"]) == (403, '</license>; rel="help"')
    document = told.json()
    assert f"{ends:%Y-%m-%dT%H:%M:%SZ}" in document.pop("detail")
    assert document == short | {"expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}

    reading = server.request("GET", "/findings", headers=bearer)
    assert reading.json()["policies"] == [{**BLOCK["policies"][0], "service": None}]
    assert server.request("GET", "/license/status").json()["status"] == "expired"
    for path in ("/threats", "/admin/"):
        page.goto(path)
        expect(page.locator(".banner[data-color=red]")).to_contain_text("Expired")
    page.goto("/threats")
    expect(blocked(page)).to_be_visible()

    page.locator(".banner a").click()
    page.get_by_label("License key").fill(make_license())
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".banner")).to_have_count(0)
    assert server.request("PUT", "/findings", json=BLOCK, headers=bearer).status_code == 200


def blocked(page: Page) -> Locator:
    return page.locator(f'[data-type="{TYPE}"]').get_by_text("Block", exact=True).first


def test_a_bad_key_is_refused_by_its_reason_and_changes_nothing(server: Server) -> None:
    """license/tests/test_commands.py tests the other reasons."""
    server.install(make_license(customer="Example Corp"))
    before = known(server)
    done = server.manage("setlicense", "-", stdin=make_license(signing_key=keys.other_key()))
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "signature is not trusted" in done.stderr
    assert known(server) == before
    assert '"customer": "Example Corp"' in before
    assert server.put(BLOCK).status_code == 200


def known(server: Server) -> str:
    """Return the license in force and the rows of the history."""
    rows = "from license.models import License; print(*License.objects.values())"
    history = server.manage("shell", "-v0", "-c", rows)
    assert history.returncode == 0, history.stderr
    return server.manage("license", "--json").stdout + history.stdout


@pytest.mark.every_database
def test_a_key_in_the_environment_is_installed_at_start_up(databases: Databases) -> None:
    with running(databases, LICENSE_KEY=make_license(jti="from the environment")) as server:
        assert server.manage("license").returncode == 0
        assert server.put(BLOCK).status_code == 200
        assert server.log.count("LICENSE_KEY was installed") == 1  # by one of two workers
