"""axe finds nothing on any page, in light and dark, and no page scrolls sideways on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from license.tests.keys import make_license
from tests.person import accessibility_violations, overflows, sign_in
from tests.server import Server

FOR_STRANGERS = ["/accounts/login/", "/accounts/password/reset/", "/problems/license-expired"]
PAGES = [
    "/threats",
    "/changes",
    "/license",
    "/api/docs",
    "/nowhere",
    "/problems/invalid-request",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/password/change/",
    "/accounts/email/",
    "/accounts/logout/",
    "/admin/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/group/",
    "/admin/license/license/",
    "/admin/license/license/add/",
    "/admin/findings/threatpolicy/",
    "/admin/findings/threatpolicy/add/",
    "/admin/findings/policychange/",
    "/admin/allauth_idp_oidc/client/",
]
POLICIES = [
    {"service": "EC2", "severity": "HIGH", "action": "BLOCK"},
    {"finding_type": "Recon:EC2/Portscan", "action": "IGNORE"},
    {"finding_type": "Backdoor:EC2/C&CActivity.B!DNS", "severity": "HIGH", "action": "SAVE"},
    {"service": "S3", "action": "REVOKE"},
]


def wrong_with(page: Page) -> list[str]:
    found: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{scheme}: {violation}" for violation in accessibility_violations(page)]
    for width in (320, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        if overflows(page):
            found.append(f"{page.url} scrolls sideways at {width} px")
    page.set_viewport_size({"width": 1280, "height": 800})
    return found


@pytest.mark.parametrize("licensed", [True, False])
def test_every_page_is_accessible(page: Page, server: Server, licensed: bool) -> None:
    found: list[str] = []
    if licensed:
        server.install(make_license(days=10))
        server.put({"policies": POLICIES})
    for path in FOR_STRANGERS:
        page.goto(path)
        found += wrong_with(page)
    sign_in(page)
    if licensed:  # some pages ask for the password again, which is a page too
        page.goto("/accounts/2fa/totp/activate/")
        found += wrong_with(page)
        if "reauthenticate" in page.url:
            page.locator("input[name=password]").fill("correct horse battery staple")
            page.locator("main button[type=submit]").first.click()
    for path in PAGES:
        page.goto(path)
        found += wrong_with(page)
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("name", ["vera", "oscar", "stella"])
def test_what_others_see_is_accessible(page: Page, server: Server, name: str) -> None:
    server.install(make_license())
    server.put({"policies": POLICIES})
    sign_in(page, name)
    found: list[str] = []
    for path in ("/", "/threats", "/changes", "/license", "/admin/"):
        page.goto(path)
        found += wrong_with(page)
    assert found == [], "\n".join(found)
