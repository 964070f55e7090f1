"""axe finds no violations on any page, light and dark. No page scrolls horizontally, and none of
the portal's own pages prints a control."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.tests.browser import totp
from findings.tests.telling import attack_sequence
from license.tests.keys import make_license
from tests.databases import CLIENT_ID, PASSWORD, Databases
from tests.person import accessibility_violations, follow, new_page, sign_in, wrong_with
from tests.server import ROOT, Server, running
from tests.test_never_locked_out import STATES

FOR_STRANGERS = [
    "/accounts/login/",
    "/accounts/password/reset/",
    "/problems/license-expired",
    "/nothing",
]
PAGES = [
    "/",
    "/entities",
    "/entities/1",
    "/actions/by-hand/events?finding=1&finding=2",
    "/accounts",
    "/actions",
    "/actions/allowlist",
    "/admin/actions/reaction/",
    "/events",
    "/events?severity=HUGE",
    "/threats",
    "/buckets",
    "/buckets/of/invoices",
    "/notifications",
    "/notifications/rules/add",
    "/notifications/rules/1",
    "/notifications/destinations/add/webhook",
    "/notifications/destinations/1",
    "/changes",
    "/license",
    "/license/account-proof",
    "/application",
    "/api/docs",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/password/change/",
    "/accounts/email/",
    "/accounts/sessions/",
    "/security-log",
    "/people",
    "/people/invite",
    "/people/1",
    "/clients",
    "/clients/create",
    f"/clients/{CLIENT_ID}",
    "/accounts/logout/",
    "/admin/",
    "/admin/auth/user/",
    "/admin/auth/group/",
    "/admin/license/license/",
    "/admin/license/license/add/",
    "/admin/findings/threatpolicy/",
    "/admin/findings/threatpolicy/add/",
    "/admin/findings/policychange/",
    "/admin/allauth_idp_oidc/client/",
    "/admin/allauth_idp_oidc/client/add/",
]
WITHOUT_A_LICENSE = ["/", "/threats", "/admin/"]  # the banner, what is disabled, the admin's banner
LISTS = [  # of these, the first row's own page, and those that hang on it
    "/admin/auth/user/",
    "/admin/auth/group/",
    "/admin/license/license/",
    "/admin/findings/threatpolicy/",
    "/admin/findings/policychange/",
    "/admin/allauth_idp_oidc/client/",
]
POLICIES = [
    {"service": "EC2", "severity": "HIGH", "action": "BLOCK"},
    {"finding_type": "Recon:EC2/Portscan", "action": "IGNORE"},
    {"service": "EC2", "severity": "LOW", "action": "ASK_BLOCK"},
    {"finding_type": "Backdoor:EC2/C&CActivity.B!DNS", "severity": "HIGH", "action": "SAVE"},
    {"service": "S3", "action": "REVOKE"},
]


_ALLOW = """
from django.contrib.auth.models import User
from django.utils import timezone
from actions import undo
from actions.models import Reaction
block = Reaction.objects.filter(kind="BLOCK").first()
undo.allow(
    block.target_kind, block.target, block.finding.finding_type, reason="Ours", ends_at=None,
    by=User.objects.first(), at=timezone.now(),
)
"""
_BUCKET = """
from django.utils import timezone
from detectors import buckets, intake
from detectors.tests.traffic import bucket, record
bucket(registered_at=timezone.now())
intake.take_records((record(at=timezone.now()) for _ in range(200)), at=timezone.now())
"""
_RULE = """
from notifications.tests.telling import add_rule, add_webhook
add_webhook()
add_rule(severity="HIGH", name="High findings")
"""


def test_text_with_little_contrast_is_found_each_time_and_wherever_it_was_seen(page: Page) -> None:
    cover = '<div style="position: absolute; inset: 0; background: rgb(0 0 0 / 50%)"></div>'
    for text in ("Pale", "8.0"):
        bad = f'<html lang="en"><title>x</title><main><p style="color: #ccc">{text}</p></main>'
        page.set_content(bad + cover)
        assert accessibility_violations(page, "color-contrast") == []  # axe cannot decide
        for _ in range(2):
            page.set_content(bad)
            assert len(accessibility_violations(page, "color-contrast")) == 1


@pytest.mark.parametrize("licensed", [True, False])
def test_every_page_is_accessible(page: Page, server: Server, licensed: bool) -> None:
    found: list[str] = []
    if licensed:
        server.install(make_license(days=10))
        server.put({"policies": POLICIES})
        samples = [str(path) for path in (ROOT / "findings/data/samples").glob("*.json")]
        for arguments in (
            ("importfindings", *samples),
            ("shell", "-v0", "-c", _ALLOW),
            ("shell", "-v0", "-c", _BUCKET),
            ("shell", "-v0", "-c", _RULE),
        ):
            done = server.manage(*arguments)
            assert done.returncode == 0, done.stderr
        for path in FOR_STRANGERS:
            page.goto(path)
            found += wrong_with(page)
    sign_in(page)
    if licensed:  # some pages ask for the password again, which is a page too
        page.goto("/accounts/2fa/totp/activate/")
        found += wrong_with(page)
        if "reauthenticate" in page.url:
            page.locator("input[name=password]").fill(PASSWORD)
            follow(page, page.locator("main button[type=submit]").first)
    for path in PAGES if licensed else WITHOUT_A_LICENSE:
        page.goto(path)
        if licensed and path == "/admin/":
            soon = page.get_by_role("status").get_by_text("The license expires soon.")
            expect(soon).to_be_visible()
        found += wrong_with(page)
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("vera", ["/", "/events", "/threats", "/license"]),
        ("stella", ["/", "/admin/"]),
    ],
)
def test_what_others_see_is_accessible(
    page: Page, server: Server, name: str, paths: list[str]
) -> None:
    server.install(make_license())
    server.put({"policies": POLICIES})
    sign_in(page, name)
    found: list[str] = []
    for path in paths:
        page.goto(path)
        found += wrong_with(page)
    assert found == [], "\n".join(found)


def test_each_row_of_the_admin_is_accessible(page: Page, server: Server) -> None:
    server.install(make_license())
    server.put({"policies": POLICIES})
    sign_in(page)
    found: list[str] = []
    for path in LISTS:
        page.goto(path)
        follow(page, page.locator("#result_list tbody th a").first)
        found += wrong_with(page)
    page.goto("/admin/auth/user/")
    follow(page, page.locator("#result_list tbody th a").first)
    change = page.url
    for inner in ("history/", "delete/", "password/"):
        page.goto(change.replace("change/", inner))
        found += wrong_with(page)
    page.goto("/admin/auth/user/add/")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("input[name=password]").fill(PASSWORD)  # the admin asks for it
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator(".errornote")).to_be_visible()
    found += wrong_with(page)
    assert found == [], "\n".join(found)


def test_a_second_factor_is_accessible_from_enrolling_to_signing_in(
    page: Page, server: Server
) -> None:
    server.install(make_license())
    sign_in(page, "vera")
    page.goto("/accounts/2fa/totp/activate/")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main button[type=submit]").first.click()
    page.get_by_label("code").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator("main [aria-invalid=true], main .errorlist").first).to_be_visible()
    found = wrong_with(page)
    page.get_by_label("code").fill(totp(page.get_by_label("Secret").input_value()))
    page.get_by_role("button", name="Turn on").click()
    page.wait_for_url(lambda url: "activate" not in url)
    for path in ("", "recovery-codes/", "recovery-codes/generate/", "totp/deactivate/"):
        page.goto(f"/accounts/2fa/{path}")
        found += wrong_with(page)
    follow(page, page.get_by_role("button", name="Sign out"))
    page.goto("/accounts/login/")
    for password in ("a wrong one", PASSWORD):
        page.locator("input[name=login]").fill("vera")
        page.locator("input[name=password]").fill(password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        if password == PASSWORD:
            page.wait_for_url("**/accounts/2fa/authenticate/")
        else:
            expect(page.locator("main .errorlist, main [role=alert]").first).to_be_visible()
        found += wrong_with(page)
    assert found == [], "\n".join(found)


def test_the_license_is_accessible_in_every_state(page: Page, server: Server) -> None:
    sign_in(page, "ada")
    found: list[str] = []
    # One for each heading. Those that write come last: a key that is good now stays in force.
    one_of_each = {state.heading: state for state in STATES.values()}.values()
    for state in sorted(one_of_each, key=lambda state: state.writes == 200):
        for key in state.history():
            server.put_into_history(key)
        page.goto("/license")
        expect(page.get_by_role("heading", name=state.heading, exact=True)).to_be_visible()
        found += wrong_with(page)
    assert found == [], "\n".join(found)


def test_a_refused_form_is_accessible(page: Page, server: Server) -> None:
    sign_in(page)
    page.goto("/admin/findings/threatpolicy/add/")
    page.locator("select[name=action]").select_option("BLOCK")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="License missing")).to_be_visible()
    found = wrong_with(page)
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.context.clear_cookies()
    page.get_by_role("button", name="Sign in", exact=True).evaluate(
        "it => it.form.noValidate = true"
    )
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="This form has expired")).to_be_visible()
    found += wrong_with(page)
    assert found == [], "\n".join(found)


def test_a_tripped_breaker_is_accessible(chromium: Browser, databases: Databases) -> None:
    trip = (
        "from django.utils import timezone; from actions.models import Trip;"
        " Trip.objects.create(tripped_at=timezone.now(), limit=100)"
    )
    with running(databases, CONTAINMENT="on") as server, new_page(chromium, server.url) as page:
        assert server.manage("shell", "-v0", "-c", trip).returncode == 0
        sign_in(page, "oscar")
        page.goto("/actions")
        expect(page.locator(".banner").last).to_contain_text("Containment has stopped")
        found = wrong_with(page)
    assert found == [], "\n".join(found)


def test_an_event_is_accessible(page: Page, server: Server) -> None:
    sample = ROOT / "findings/data/samples/UnauthorizedAccess-EC2-TorClient.json"
    sequence = json.dumps([{"accountId": 7}, attack_sequence()])
    done = server.manage("importfindings", str(sample), "-", stdin=sequence)
    assert done.returncode == 0, done.stderr
    server.install(make_license())
    sign_in(page, "oscar")
    page.goto("/events?status=open")
    page.get_by_label("Select all events on this page").check()
    page.get_by_text("With the selected events").click()
    page.get_by_text("Filters", exact=True).click()
    found = wrong_with(page)
    follow(page, page.get_by_role("button", name="Apply"))
    expect(page.get_by_text("Choose a status or an assignee")).to_be_visible()
    found += accessibility_violations(page)
    page.get_by_label("Note").fill("Our own scanner.")
    follow(page, page.get_by_role("button", name="Apply"))
    expect(page.get_by_text("3 events changed.")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    menu = page.locator("[data-site-menu] > summary")  # on a phone, one button opens all groups
    menu.press("Enter")
    expect(page.get_by_role("link", name="Entities", exact=True)).to_be_visible()
    found += accessibility_violations(page)
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    expect(page.get_by_role("link", name="Entities", exact=True)).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 800})
    for row in (0, 1, 2):
        page.goto("/events")
        follow(page, page.locator("tbody th a").nth(row))
        for summary in page.locator("main summary").all():
            summary.click()
        expect(page.get_by_text("Our own scanner.")).to_be_visible()
        found += wrong_with(page)
    assert found == [], "\n".join(found)
