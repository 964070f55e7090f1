"""A refused save on the Threats page keeps all staged changes and shows the cause."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from license.tests import keys
from tests.person import sign_in
from tests.server import Server
from tests.threats import (
    BRUTE_FORCE,
    ORIGINALLY,
    WITH_BOTH,
    cell,
    count,
    policy,
    put,
    save,
    setting,
    stage_two,
)


def _assert_all_is_kept(page: Page, *, why: str) -> None:
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text(why)
    expect(refusal).to_be_focused()
    expect(count(page)).to_have_text("2 changes")
    expect(cell(page, BRUTE_FORCE)).to_have_text("Save")
    expect(cell(page, BRUTE_FORCE)).to_have_attribute("data-staged", "")


def test_while_writes_are_off_it_says_so_at_the_save_button(page: Page, server: Server) -> None:
    sign_in(page, "oscar")
    page.goto("/threats")
    page.get_by_role("button", name="Expand all").click()
    stage_two(page)
    button = page.locator("[data-save]")

    expect(button).to_have_accessible_description(re.compile("Writes are off. License: Missing."))
    with page.context.expect_page() as opened:  # and the staged changes stay where they are
        page.locator("[data-writes-off]").get_by_role("link").click()
    opened.value.wait_for_url("**/license")

    server.install(keys.make_license())
    save(page)
    expect(page.get_by_text("2 changes saved.")).to_be_visible()
    expect(page.locator("[data-writes-off]")).to_have_count(0)


def test_a_save_after_somebody_elses_keeps_everything_and_merges(
    threats: Page, server: Server
) -> None:
    stage_two(threats)
    put(
        server,
        setting("REVOKE", service="S3"),
        setting("IGNORE", service="EC2", severity="LOW"),
    )

    save(threats)
    _assert_all_is_kept(threats, why="Another user changed the policy")
    threats.get_by_role("button", name="keep my changes").click()

    expect(cell(threats, "", "", service="S3")).to_have_text("Revoke")
    expect(count(threats)).to_have_text("1 change")  # the other one they had made too
    save(threats)
    expect(threats.get_by_text("1 change saved.")).to_be_visible()
    assert policy(server) == WITH_BOTH | {("S3", None, None, "REVOKE")}


def _broken(route: Route) -> None:
    route.continue_(post_data='{"policies": [{"service": "EC2", "action": "EXPLODE"}]}')


def _too_large(route: Route) -> None:
    route.continue_(post_data='{"policies": [], "x": "' + "x" * 2**20 + '"}')


def _proxy_error(route: Route) -> None:
    route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")


def _groups_of_oscar(server: Server, change: str) -> None:
    done = server.manage(
        "shell",
        "-v0",
        "-c",
        "from django.contrib.auth.models import Group, User\n"
        f"User.objects.get(username='oscar').groups.{change}",
    )
    assert done.returncode == 0, done.stderr


def test_a_save_that_is_refused_again_and_again_keeps_everything(
    threats: Page, server: Server, tmp_path: Path
) -> None:
    stage_two(threats)
    for happening, why in (
        (_broken, f"{BRUTE_FORCE}, every severity: It must be one of"),
        (_too_large, "The request body must not exceed 1 MiB."),
        (_proxy_error, "The portal returned error 502."),
    ):
        threats.route("**/findings", happening)
        save(threats)
        _assert_all_is_kept(threats, why=why)
        threats.unroute("**/findings")

    threats.context.set_offline(True)
    save(threats)
    _assert_all_is_kept(threats, why="The portal cannot be reached.")
    with threats.expect_download() as download:
        threats.get_by_role("link", name="Download changes as a JSON file").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "threat-policy.json"
    threats.context.set_offline(False)

    _groups_of_oscar(server, "clear()")
    save(threats)
    _assert_all_is_kept(
        threats, why="This request requires the permission findings.change_threatpolicy"
    )
    _groups_of_oscar(server, "add(Group.objects.get(name='operators'))")

    threats.context.clear_cookies()
    save(threats)
    _assert_all_is_kept(threats, why="Your session has ended.")
    with threats.context.expect_page() as opened:
        threats.get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value, "oscar")

    expired = keys.make_license(begins=timedelta(days=-9), days=8, revokes=["the first"])
    server.put_into_history(expired)
    save(threats)
    _assert_all_is_kept(threats, why="Writes are off: license expired.")
    expect(threats.get_by_role("link", name="Open the License page")).to_be_visible()
    assert policy(server) == ORIGINALLY

    server.install(keys.make_license())
    save(threats)
    expect(threats.get_by_text("2 changes saved.")).to_be_visible()
    assert policy(server) == WITH_BOTH
    again = server.put(json.loads(path.read_bytes()))  # the file has the body of a PUT
    assert (again.status_code, again.json()["unchanged"]) == (200, 2)
