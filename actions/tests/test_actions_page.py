"""The Actions page: the log, current blocks, and undo by operators."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from actions.models import Allowance, Reaction, Trip
from actions.tests.attacks import STOLEN, arrive, attack, set_action, stolen
from license.models import License
from storage.append_only import RewriteError

pytestmark = pytest.mark.one_database  # pages

HTML = {"Accept": "text/html"}
TARGET = r'<th scope="row"><code>([^<]+)</code>'


def page(client: Client, path: str = "/actions") -> str:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def targets(client: Client, query: str = "") -> list[str]:
    return re.findall(TARGET, page(client, f"/actions{query}"))


@pytest.mark.every_database  # queries
def test_the_log_comes_newest_first_a_page_at_a_time(
    viewer_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    set_action("BLOCK")
    arrive(*(attack(number) for number in range(60)))
    shown: list[str] = []
    query = ""
    page(viewer_client)  # a session's first request notes when it was
    for size in (25, 25, 10):
        with django_assert_max_num_queries(12):
            html = page(viewer_client, f"/actions{query}")
        found = re.findall(TARGET, html)
        assert len(found) == size
        shown += found
        arrive(attack(1000 + size))  # another is decided between pages
        older = re.search(r'rel="next" href="([^"]+)"', html)
        query = older[1].replace("&amp;", "&") if older else ""
    assert shown == [f"81.2.0.{number + 1}" for number in reversed(range(60))]


FILTERS: dict[str, list[str]] = {
    "action=REVOKE": ["AKIAIOSFODNN7EXAMPLE"],
    "state=prevented": ["10.0.0.1"],
    "target=81.2.0.2": ["81.2.0.2"],
    f"type={STOLEN}": ["AKIAIOSFODNN7EXAMPLE"],
    "account=210987654321": ["81.2.0.6"],
    "now=blocked": ["81.2.0.6", "81.2.0.2"],
    "now=revoked": ["AKIAIOSFODNN7EXAMPLE"],
    "since=2030-01-01 00:00": [],
    "until=2020-01-01T00:00:00Z": [],
    "now=blocked&target=10.0.0.1": [],
    "sort=oldest&action=BLOCK": ["81.2.0.2", "10.0.0.1", "81.2.0.6"],
    "q=81.2.0.2": ["81.2.0.2"],
    "q=210987654321": ["81.2.0.6"],
    f"q={STOLEN}": ["AKIAIOSFODNN7EXAMPLE"],
    f"q={3:032x}": ["AKIAIOSFODNN7EXAMPLE"],
    "q=private reserved": ["10.0.0.1"],
    "q=AKIA": ["AKIAIOSFODNN7EXAMPLE"],
    "q=81.2&sort=oldest": ["81.2.0.2", "81.2.0.6"],
    "q=nothing like it": [],
}


@pytest.mark.every_database  # queries
def test_the_filter_narrows(viewer_client: Client) -> None:
    set_action("BLOCK")
    set_action("REVOKE", finding_type=STOLEN)
    arrive(attack(1), attack(2, "10.0.0.1"), stolen("AKIAIOSFODNN7EXAMPLE", number=3))
    arrive(attack(5, accountId="210987654321"))
    assert {query: targets(viewer_client, f"?{query}") for query in FILTERS} == FILTERS


@pytest.mark.parametrize("query", ["state=odd", "since=yesterday", "target=%00", "now=later"])
def test_a_filter_that_means_nothing_is_told(viewer_client: Client, query: str) -> None:
    assert 'class="errorlist"' in page(viewer_client, f"/actions?{query}")


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30])
def test_a_cursor_that_is_none_leads_nowhere(viewer_client: Client, cursor: str) -> None:
    assert viewer_client.get(f"/actions?after={cursor}", headers=HTML).status_code == 404


REASON = {"reason": "A partner of ours"}


@pytest.mark.every_database  # locks
def test_unblock_and_again(
    operator_client: Client, valid_license: License, settings: Settings
) -> None:
    settings.CONTAINMENT = "on"
    set_action("BLOCK")
    arrive(attack(1))
    block = Reaction.objects.get()
    path = f"/actions/{block.pk}/undo"
    for said, told in (
        ({}, "State the reason"),
        (REASON, "Unblock 81.2.0.2 was requested"),
        (REASON, "has nothing in force to undo"),
    ):
        assert told in operator_client.post(path, said, follow=True, headers=HTML).content.decode()
    unblock = Reaction.objects.get(kind="UNBLOCK")
    assert (unblock.why, unblock.state) == ("Requested by oscar: A partner of ours", "pending")


def test_what_was_never_blocked_is_not_offered_to_be_unblocked(
    operator_client: Client, valid_license: License
) -> None:
    set_action("BLOCK")
    arrive(attack(1))  # in a dry run
    block = Reaction.objects.get()
    assert "Unblock 81" not in page(operator_client, "/actions?now=blocked")
    assert "Unblock 81" not in page(operator_client, f"/events/{block.finding_id}")
    operator_client.post(f"/actions/{block.pk}/undo", REASON)
    assert Reaction.objects.count() == 1


@pytest.mark.every_database  # locks
def test_allow_for_this_threat_only_and_take_it_back(
    operator_client: Client, valid_license: License
) -> None:
    set_action("BLOCK")
    set_action("BLOCK", finding_type="Recon:EC2/Portscan")
    arrive(attack(1))
    path = f"/actions/{Reaction.objects.get().pk}/allow"
    for told in ("is on the allowlist for", "is already on the allowlist"):
        assert (
            told in operator_client.post(path, REASON, follow=True, headers=HTML).content.decode()
        )
    arrive(attack(2, "81.2.0.2"), attack(3, "81.2.0.2", type="Recon:EC2/Portscan"))
    assert [one.state for one in Reaction.objects.order_by("pk")[1:]] == ["prevented", "dry run"]
    allowance = Allowance.objects.get()
    operator_client.post(f"/actions/allowlist/{allowance.pk}/take-back")
    assert "No exceptions yet" in page(operator_client, "/actions/allowlist")
    arrive(attack(4, "81.2.0.2"))
    assert Reaction.objects.latest("pk").state == "dry run"
    assert Allowance.objects.get().taken_back_at  # the removed entry stays on record


WRITES = ["/actions/{}/undo", "/actions/{}/allow", "/actions/breaker/reset"]


@pytest.mark.parametrize("path", WRITES)
def test_viewers_change_nothing(viewer_client: Client, valid_license: License, path: str) -> None:
    set_action("BLOCK")
    arrive(attack(1))
    assert viewer_client.post(path.format(Reaction.objects.get().pk)).status_code == 403
    assert Reaction.objects.count() == 1
    assert "Unblock 81" not in page(viewer_client)


@pytest.mark.parametrize("path", WRITES)
def test_without_a_license_nothing_is_undone_and_containment_goes_on(
    operator_client: Client, expired_license: License, path: str
) -> None:
    set_action("BLOCK")
    arrive(attack(1))
    assert operator_client.post(path.format(Reaction.objects.get().pk)).status_code == 403
    assert not Allowance.objects.exists()
    arrive(attack(2))
    assert Reaction.objects.count() == 2


def test_the_tripped_breaker_is_on_every_page_until_it_is_reset(
    operator_client: Client, client: Client, valid_license: License, settings: Settings
) -> None:
    settings.CONTAINMENT, settings.BLOCK_IP_SETS = "on", ["an IP set"]
    set_action("BLOCK")
    arrive(attack(1))
    Trip.objects.create(tripped_at=timezone.now(), limit=7)
    for path in ("/events", "/threats", "/license", "/changes", "/actions", "/api/docs"):
        assert "Containment has stopped" in page(operator_client, path)
    assert "Containment has stopped" not in client.get("/accounts/login/").content.decode()
    answer = operator_client.post(
        "/actions/breaker/reset", {"waiting": "drop"}, follow=True, headers=HTML
    )
    assert "Pending actions canceled: 1." in answer.content.decode()
    assert "Containment has stopped" not in page(operator_client)
    assert Reaction.objects.get().state == "prevented"


def test_what_is_done_about_a_finding_is_on_its_page(viewer_client: Client) -> None:
    set_action("BLOCK")
    arrive(attack(1, "10.0.0.1"))
    reaction = Reaction.objects.get()
    shown = page(viewer_client, f"/events/{reaction.finding_id}")
    for told in ("10.0.0.1", "Prevented", "private or reserved", "BLOCK is set for"):
        assert told in shown


@pytest.mark.every_database  # triggers
def test_no_one_rewrites_the_log(superuser_client: Client, valid_license: License) -> None:
    set_action("BLOCK")
    arrive(attack(1))
    reaction = Reaction.objects.get()
    for change in (
        lambda: Reaction.objects.update(state="done"),
        lambda: Reaction.objects.all().delete(),
        lambda: reaction.delete(),
        lambda: reaction.save(),
        lambda: reaction.its_finding.reactions.all().delete(),
    ):
        with pytest.raises(RewriteError):
            change()
    assert Reaction.objects.all().settle("done", at=timezone.now(), outcome="") == 0  # type: ignore[arg-type]
    admin = f"/admin/actions/reaction/{reaction.pk}/"
    assert superuser_client.get(f"{admin}change/").status_code == 200
    assert superuser_client.post(f"{admin}change/", {"state": "done"}).status_code == 403
    assert superuser_client.post(f"{admin}delete/", {"post": "yes"}).status_code == 403
    assert Reaction.objects.get().state == "dry run"


def test_who_has_no_role_sees_nothing(stranger_client: Client, client: Client) -> None:
    for path in ("/actions", "/actions/allowlist"):
        assert stranger_client.get(path, headers=HTML).status_code == 403
        assert client.get(path, headers=HTML).status_code == 302
