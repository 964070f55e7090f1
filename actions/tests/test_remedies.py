"""A prevented action links to what helps."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import memories, remedies, undo
from actions.models import Reaction
from actions.tests.attacks import STOLEN, arrive, attack, set_action, stolen

pytestmark = pytest.mark.one_database  # texts

BRUTE_FORCE = "UnauthorizedAccess:EC2/SSHBruteForce"


def shown(client: Client) -> str:
    return client.get("/actions", headers={"Accept": "text/html"}).content.decode()


@pytest.fixture(autouse=True)
def _acts(db: None, settings: Settings) -> None:
    settings.CONTAINMENT = "on"
    settings.AWS_ACCOUNT_ID = "210987654321"
    set_action("BLOCK")
    set_action("REVOKE", finding_type=STOLEN)


def test_the_allowlist(viewer_client: Client, operator: User) -> None:
    at = timezone.now()
    undo.allow("address", "81.2.0.2", BRUTE_FORCE, reason="x", ends_at=None, by=operator, at=at)
    arrive(attack(1))
    assert '<a href="/actions/allowlist">Open the allowlist</a>' in shown(viewer_client)


def test_the_paths(viewer_client: Client, settings: Settings) -> None:
    settings.BLOCK_IP_SETS = []
    arrive(attack(1))
    assert '<a href="/actions#paths">Show the paths and their settings</a>' in shown(viewer_client)


def test_the_accounts(viewer_client: Client, settings: Settings) -> None:
    settings.MEMBER_ACCOUNTS = ["none"]
    arrive(stolen("AKIAIOSFODNN7EXAMPLE", number=1))
    page = shown(viewer_client)
    assert '<a href="/accounts">Show the roles of the AWS accounts</a>' in page


def test_by_hand_and_nothing(operator_client: Client, viewer_client: Client) -> None:
    arrive(attack(1, "10.0.0.1"), attack(2, service={"archived": True}))
    private, archived = Reaction.objects.order_by("pk")
    assert (private.state, archived.state) == ("prevented", "prevented")
    assert private.remedy is None
    link = f'<a href="/events/{archived.finding_id}#by-hand">Act on this by hand</a>'
    assert link in shown(operator_client)
    assert link not in shown(viewer_client)  # they have no form there


def test_the_list_of_users(viewer_client: Client, settings: Settings) -> None:
    settings.AWS_ACCOUNT_ID = "123456789012"
    arrive(stolen("", name="jane", kind="FederatedUser"))
    assert '<a href="/entities?kind=user">Find the user</a>' in shown(viewer_client)


@pytest.mark.parametrize("outcome", [f"It was left. {memories.RESTORE_AGAIN}", "Use REVOKE for x."])
def test_what_an_operator_can_do_by_hand_all_the_same(outcome: str) -> None:
    help_ = remedies.remedy(outcome, 7)
    assert help_
    assert help_.url == "/events/7#by-hand"
