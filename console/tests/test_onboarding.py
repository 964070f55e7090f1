"""The list on the dashboard that leads from an installation to containment."""

from __future__ import annotations

import re
from html import unescape

import pytest
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from actions.tests.attacks import arrive, attack, set_action
from conftest import install
from console import onboarding
from license.tests.keys import make_license

pytestmark = pytest.mark.one_database  # pages

LICENSE = "Install a license"
FACTOR = "Set up your second factor"
PEOPLE = "Add a second person"
FINDINGS = "Let findings arrive"
NETWORKS = "Name the networks that are never blocked"
POLICY = "Set the threat policy"
CONTAINMENT = "Turn containment on"
ALL = [LICENSE, FACTOR, PEOPLE, FINDINGS, NETWORKS, POLICY, CONTAINMENT]


def steps(client: Client) -> dict[str, str]:
    """Return the status of each listed step; follow its link."""
    page = unescape(client.get("/").content.decode())
    found = re.findall(r'badge"[^>]*>(Done|To do)</span>\s*<p><a href="([^"]+)">([^<]+)<', page)
    assert ("Getting started" in page) == bool(found)
    for _, path, _ in found:
        assert client.get(path).status_code == 200
    return {text: status for status, _, text in found}


def test_each_step_knows_that_it_is_done_until_the_list_is_gone(
    administrator_client: Client, administrator: User, settings: Settings
) -> None:
    assert steps(administrator_client) == dict.fromkeys(ALL, "To do")
    assert list(steps(administrator_client)) == ALL

    def done() -> list[str]:
        return [text for text, status in steps(administrator_client).items() if status == "Done"]

    install(make_license())
    assert done() == [LICENSE]
    Authenticator.objects.create(user=administrator, type=Authenticator.Type.TOTP, data={})
    assert done() == [LICENSE, FACTOR]
    colleague = User.objects.create_user("carla")
    assert done() == [LICENSE, FACTOR]  # she has no role yet
    colleague.groups.add(Group.objects.get(name="viewers"))
    assert done() == [LICENSE, FACTOR, PEOPLE]
    arrive(attack(1))
    assert done() == [LICENSE, FACTOR, PEOPLE, FINDINGS]
    settings.NEVER_BLOCK = ["192.0.2.0/24"]
    assert done() == [LICENSE, FACTOR, PEOPLE, FINDINGS, NETWORKS]
    set_action("BLOCK")
    assert done() == [LICENSE, FACTOR, PEOPLE, FINDINGS, NETWORKS, POLICY]
    settings.CONTAINMENT = "on"
    assert steps(administrator_client) == {}


@pytest.mark.usefixtures("valid_license")
def test_everybody_sees_only_the_steps_that_they_can_take(
    operator_client: Client, viewer_client: Client
) -> None:
    assert steps(operator_client) == {FACTOR: "To do", POLICY: "To do"}
    assert steps(viewer_client) == {}


def test_single_sign_on_needs_no_second_factor_here(
    administrator_client: Client, administrator: User
) -> None:
    request = RequestFactory().get("/")
    request.session = administrator_client.session
    record_authentication(request, administrator, "socialaccount")
    request.session.save()
    assert list(steps(administrator_client)) == [text for text in ALL if text != FACTOR]


def test_the_list_can_be_hidden(administrator_client: Client) -> None:
    administrator_client.cookies[onboarding.HIDDEN] = "hidden"
    assert steps(administrator_client) == {}


def test_the_list_takes_few_queries(
    administrator_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    administrator_client.cookies[onboarding.HIDDEN] = "hidden"
    with django_assert_max_num_queries(20) as without:
        administrator_client.get("/")
    del administrator_client.cookies[onboarding.HIDDEN]
    with django_assert_max_num_queries(len(without) + 5):
        administrator_client.get("/")
