"""The Notifications page, and the pages of rules and destinations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from actions.tests.attacks import arrive, attack
from notifications import delivery
from notifications.models import Delivery, Destination, NotificationChange, Rule
from notifications.tests.receiver import Receiver
from notifications.tests.telling import add, add_rule, add_webhook, deliver

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,  # pages
]

RULE = {
    "name": "High findings", "enabled": "on", "trigger": "finding", "severity": "HIGH",
    "types": "UnauthorizedAccess:*\n\nRecon:*", "destinations": ["SOC"], "when": "now",
    "daily_at": "08:00", "time_zone": "UTC", "detail": "full",
}  # fmt: skip


def page(client: Client, path: str = "/notifications") -> str:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_page_says_what_to_do_first(administrator_client: Client) -> None:
    told = page(administrator_client)
    assert "First add a destination" in told
    assert "/notifications/destinations/add/webhook" in told


def test_a_person_adds_a_webhook_and_a_rule_and_sees_what_was_sent(
    administrator_client: Client, operator_client: Client, webhook_server: Receiver
) -> None:
    answer = administrator_client.post(
        "/notifications/destinations/add/webhook",
        {"name": "SOC", "set_url": webhook_server.url, "per_hour": 60},
    )
    secret = Destination.objects.get().open_settings()["secret"]
    assert secret in answer.content.decode()  # once
    here = f"/notifications/destinations/{Destination.objects.get().pk}"
    assert secret not in page(administrator_client, here)
    answer = operator_client.post("/notifications/rules/add", RULE)
    assert answer.status_code == 302, answer.content.decode()
    rule = Rule.objects.get()
    assert rule.types == ["UnauthorizedAccess:*", "Recon:*"]
    arrive(attack(1))
    deliver()
    [request] = webhook_server.requests
    assert Webhook(secret).verify(request.body, dict(request.headers))
    told = page(operator_client)
    assert "Delivering" in told
    assert "High findings" in told
    assert f"/events/{Delivery.objects.get().data['url'].rsplit('/', 1)[1]}" in told
    assert [str(one) for one in NotificationChange.objects.order_by("pk")] == [
        "Destination SOC",
        "Rule High findings",
    ]


def test_a_test_shows_the_answer(administrator_client: Client, webhook_server: Receiver) -> None:
    add_webhook(webhook_server.url)
    one = Destination.objects.get()
    one.paused_until = timezone.now() + timedelta(hours=1)
    one.save()
    webhook_server.status, webhook_server.body = 404, b"no such hook"
    here = f"/notifications/destinations/{one.pk}"
    administrator_client.post(f"{here}/test")
    assert 'http-equiv="refresh"' in page(administrator_client, here)
    with time_machine.travel(timezone.now() + timedelta(seconds=70)):
        told = page(administrator_client, here)
        assert 'http-equiv="refresh"' not in told
        assert "No worker has sent the test" in told
    delivery.deliver_due()
    told = page(administrator_client, here)
    assert 'http-equiv="refresh"' not in told
    assert "404" in told
    assert "Failing" in told


def test_a_secret_is_rotated_without_losing_a_message(
    administrator_client: Client, webhook_server: Receiver
) -> None:
    old = add_webhook(webhook_server.url)
    one = Destination.objects.get()
    here = f"/notifications/destinations/{one.pk}"
    answer = administrator_client.post(f"{here}/rotate")
    new = Destination.objects.get().open_settings()["secret"]
    assert new != old
    assert new in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"

    def signed_with() -> list[str]:
        administrator_client.post(f"{here}/test")
        delivery.deliver_due()
        request = webhook_server.requests[-1]
        return [key for key in (old, new) if _verifies(key, request)]

    assert signed_with() == [old, new]
    answer = administrator_client.post(f"{here}/rotate", follow=True)  # would drop `old`
    assert "End that rotation first" in answer.content.decode()
    assert "Make a new secret" not in answer.content.decode()
    assert signed_with() == [old, new]
    administrator_client.post(f"{here}/forget-previous")
    assert signed_with() == [new]


def _verifies(key: str, request: Any) -> bool:
    try:
        return bool(Webhook(key).verify(request.body, dict(request.headers)))
    except Exception:
        return False


def test_an_empty_secret_in_the_form_keeps_what_is_stored(administrator_client: Client) -> None:
    secret = add_webhook("https://soc.example.com/hook-abc")
    pk = Destination.objects.get().pk
    here = f"/notifications/destinations/{pk}"
    assert "hook-abc" not in page(administrator_client, here)
    administrator_client.post(f"{here}/change", {"set_url": "", "per_hour": 5})
    changed = Destination.objects.get()
    assert changed.per_hour == 5
    assert changed.open_settings() == {"url": "https://soc.example.com/hook-abc", "secret": secret}


def test_wrong_settings_are_shown_at_their_fields(
    administrator_client: Client, operator_client: Client
) -> None:
    answer = administrator_client.post(
        "/notifications/destinations/add/webhook",
        {"name": "SOC", "set_url": "ftp://x", "per_hour": 60},
    )
    assert "#id_set_url" in answer.content.decode()
    assert not Destination.objects.exists()
    add_webhook()
    answer = operator_client.post(
        "/notifications/rules/add", RULE | {"time_zone": "Mars", "quiet_from": "22:00"}
    )
    told = answer.content.decode()
    assert "#id_time_zone" in told
    assert "#id_quiet_to" in told
    assert not Rule.objects.exists()


def test_each_role_sees_and_changes_what_it_may(
    viewer_client: Client, operator_client: Client, administrator_client: Client
) -> None:
    add_webhook()
    rule = add_rule()
    one = Destination.objects.get()
    to_rule = reverse("notifications:rule", args=[rule.pk])
    to_destination = reverse("notifications:destination", args=[one.pk])
    assert "Operators can change it" in page(viewer_client, to_rule)
    assert viewer_client.post(to_rule, RULE).status_code == 403
    assert "Send a test" not in page(operator_client, to_destination)
    for action in ("change", "test", "rotate", "forget-previous", "remove"):
        assert operator_client.post(f"{to_destination}/{action}").status_code == 403
    assert operator_client.get("/notifications/destinations/add/webhook").status_code == 403
    administrator_client.post(f"{to_destination}/remove")  # a rule uses it
    assert Destination.objects.present().exists()
    operator_client.post(f"{to_rule}/remove")
    administrator_client.post(f"{to_destination}/remove")
    assert not Destination.objects.present().exists()
    assert page(viewer_client)


def test_mail_without_a_server_is_named(administrator_client: Client, settings: Any) -> None:
    add("email", {"to": "soc@example.com"}, name="Mail")
    settings.MAIL_IS_SET_UP = False
    assert "EMAIL_URL is not set" in page(administrator_client)


def test_a_kind_that_this_version_does_not_know_is_shown_without_its_settings(
    administrator_client: Client,
) -> None:
    one = Destination.objects.create(name="New", kind="later", settings={"token": "T0ken"})
    here = f"/notifications/destinations/{one.pk}"
    for path in ("/notifications", here):
        told = page(administrator_client, path)
        assert "no destinations of the kind later" in told
        assert "T0ken" not in told
    assert "T0ken" not in administrator_client.get("/notifications").content.decode()
    url = reverse("notifications:change_destination", args=[one.pk])
    assert administrator_client.post(url, {"per_hour": 1}).status_code == 302
    assert Destination.objects.get().settings == {"token": "T0ken"}
    assert administrator_client.post(f"{here}/remove").status_code == 302
    assert not Destination.objects.present().exists()
