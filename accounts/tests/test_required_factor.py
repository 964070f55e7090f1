"""Users who need a second factor must enroll one before anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import travel

from accounts.models import EventKind, SecurityEvent
from accounts.tests.browser import is_signed_in, sign_in, totp
from accounts.tests.provider import Provider
from accounts.tests.test_second_factor import enrol
from accounts.tests.test_single_sign_on import (  # noqa: F401  (two are fixtures)
    come_back,
    idp,
    leave,
    running_provider,
)
from license.routes import all_routes
from license.tests.test_middleware import STATES
from license.tests.test_routes import concrete

pytestmark = pytest.mark.one_database  # redirects of the middleware

HTML = {"accept": "text/html"}
METHODS = ["GET", "POST", "PUT", "DELETE"]
LED = (302, "/accounts/2fa/")
TOLD = "second_factor_required"


@pytest.fixture(autouse=True)
def _demanded(settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = "administrators"


def is_led_to_enrollment(client: Client, path: str = "/license") -> bool:
    answer = client.get(path, headers=HTML)
    return (answer.status_code, answer.headers.get("Location")) == LED


@pytest.mark.parametrize("who", ["administrator", "superuser"])
def test_who_administers_is_led_to_enrollment(who: str, request: pytest.FixtureRequest) -> None:
    browser: Client = request.getfixturevalue(f"{who}_client")
    assert is_led_to_enrollment(browser)
    page = browser.get("/accounts/2fa/", headers=HTML).content.decode()
    assert "Your role requires a second factor" in page
    assert 'href="/threats"' not in page
    assert 'action="/accounts/logout/"' in page


def test_others_are_not(operator_client: Client, viewer_client: Client) -> None:
    assert not is_led_to_enrollment(operator_client)
    assert not is_led_to_enrollment(viewer_client)


def test_a_group_with_the_power_to_manage_people_counts(
    stranger: User, stranger_client: Client
) -> None:
    group = Group.objects.create(name="helpdesk")
    group.permissions.add(
        Group.objects.get(name="administrators").permissions.get(codename="change_user")
    )
    assert not is_led_to_enrollment(stranger_client)
    stranger.groups.add(group)
    assert is_led_to_enrollment(stranger_client)


@pytest.mark.parametrize(("demanded_of", "led"), [("everyone", True), ("none", False)])
def test_the_setting_says_of_whom(
    settings: Settings, viewer_client: Client, superuser_client: Client, demanded_of: str, led: bool
) -> None:
    settings.REQUIRE_SECOND_FACTOR = demanded_of
    assert is_led_to_enrollment(viewer_client) is led
    assert is_led_to_enrollment(superuser_client) is led


@pytest.mark.usefixtures("valid_license")
@pytest.mark.parametrize("method", METHODS)
def test_until_then_every_route_is_closed_unless_listed(
    superuser: User, settings: Settings, method: str
) -> None:
    listed = {*settings.ENROLLMENT_VIEWS, *settings.UNAUTHENTICATED_VIEWS}
    client = Client(raise_request_exception=False)
    client.force_login(superuser)
    open_to_them = []
    # A browser GETs each route. With other methods, it and a program take turns.
    for turn, route in enumerate(all_routes(), start=METHODS.index(method)):
        if route.view_name in listed:
            continue
        if turn % 2 or method == "GET":
            page = client.generic(method, concrete(route), headers=HTML)
            is_closed = (page.status_code, page.headers.get("Location")) == LED
        else:
            asked = client.generic(method, concrete(route), headers={"accept": "application/json"})
            is_closed = asked.status_code == 403 and asked.json()["code"] == TOLD
        if not is_closed:
            open_to_them.append(route)
    assert open_to_them == []


@pytest.mark.parametrize("state", [*STATES, "valid"])
def test_enrolling_works_in_every_state_of_the_license_and_opens_the_portal(
    administrator: User, client: Client, state: str, request: pytest.FixtureRequest
) -> None:
    if state == "valid":
        request.getfixturevalue("valid_license")
    else:
        STATES[state]()
    sign_in(client, "ada")
    assert is_led_to_enrollment(client)
    enrol(client)
    assert client.get("/license", headers=HTML).status_code == 200


@pytest.mark.usefixtures("valid_license")
def test_a_passkey_counts_and_recovery_codes_alone_do_not(
    administrator: User, administrator_client: Client
) -> None:
    codes = Authenticator.objects.create(user=administrator, type="recovery_codes", data={})
    assert is_led_to_enrollment(administrator_client)
    codes.delete()
    Authenticator.objects.create(user=administrator, type="webauthn", data={})
    assert not is_led_to_enrollment(administrator_client)


@pytest.mark.usefixtures("valid_license")
def test_a_session_of_the_password_alone_does_not_profit_from_it(
    administrator: User, client: Client
) -> None:
    """An attacker with the password signs in before the administrator enrolls."""
    thief = Client()
    sign_in(thief, "ada")
    sign_in(client, "ada")
    secret = enrol(client)
    assert not is_signed_in(thief)
    assert sign_in(thief, "ada")["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(thief)
    with travel(timezone.now() + timedelta(seconds=31), tick=False):
        later = Client()
        sign_in(later, "ada")
        later.post("/accounts/2fa/authenticate/", {"code": totp(secret)})
        assert later.get("/license", headers=HTML).status_code == 200


def test_of_single_sign_on_the_provider_vouches(idp: Provider, groups: None) -> None:  # noqa: F811
    first, second = Client(), Client()
    first.get(come_back(leave(first)))
    nora = User.objects.get()
    nora.groups.add(Group.objects.get(name="administrators"))
    second.get(come_back(leave(second)))
    assert second.get("/license", headers=HTML).status_code == 200
    nora.set_password("correct horse battery staple")
    nora.save()
    by_password = Client()
    sign_in(by_password, "nora")
    assert is_led_to_enrollment(by_password)


@pytest.mark.usefixtures("valid_license")
def test_the_command_helps_the_last_administrator_who_has_lost_it(
    administrator: User, client: Client
) -> None:
    sign_in(client, "ada")
    enrol(client)
    printed = StringIO()
    call_command("removesecondfactors", "ada", stdout=printed)
    assert "Removed 2 second factors of ada." in printed.getvalue()
    removed = SecurityEvent.objects.filter(kind=EventKind.SECOND_FACTOR_REMOVED)
    assert set(removed.values_list("user_name", "address")) == {("ada", "")}
    browser = Client()
    sign_in(browser, "ada")
    assert is_led_to_enrollment(browser)
    enrol(browser)
    assert browser.get("/license", headers=HTML).status_code == 200


def test_the_command_knows_nobody_else(groups: None) -> None:
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        call_command("removesecondfactors", "nobody")


def test_a_program_is_not_asked(program: object) -> None:
    client = program("findings:read")  # type: ignore[operator]
    assert client.get("/findings").status_code == 200


def test_the_deployment_check_warns(settings: Settings) -> None:
    def warned() -> bool:
        found = run_checks(include_deployment_checks=True)
        return "accounts.W002" in {message.id for message in found}

    assert not warned()
    settings.REQUIRE_SECOND_FACTOR = "none"
    assert warned()


@pytest.mark.parametrize(
    ("variables", "demanded_of"),
    [
        ({}, "administrators"),
        ({"DEBUG": "true"}, "none"),
        ({"DEBUG": "true", "REQUIRE_SECOND_FACTOR": "everyone"}, "everyone"),
        ({"REQUIRE_SECOND_FACTOR": "none"}, "none"),
        ({"REQUIRE_SECOND_FACTOR": "admins"}, None),
    ],
)
def test_a_deployment_demands_it_of_administrators_unless_told_otherwise(
    variables: dict[str, str], demanded_of: str | None
) -> None:
    script = (
        "import json; from threatreaction import settings;"
        "print(json.dumps(settings.REQUIRE_SECOND_FACTOR))"
    )
    environment = {"DOTENV_PATH": "", "SECRET_KEY": "x", "PATH": os.environ["PATH"], **variables}
    done = subprocess.run(  # noqa: S603  (our own interpreter, and no shell)
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    if demanded_of is None:
        assert "must be none, administrators or everyone" in done.stderr
    else:
        assert json.loads(done.stdout) == demanded_of
