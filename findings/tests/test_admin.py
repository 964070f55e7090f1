from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from findings.models import PolicyChange, Target, ThreatPolicy
from findings.tests.api import TYPE

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("valid_license"),
    pytest.mark.one_database,  # forms and pages
]

ADD = "/admin/findings/threatpolicy/add/"
LIST = "/admin/findings/threatpolicy/"
LOG = "/admin/findings/policychange/"


def setting(**changes: str) -> dict[str, str]:
    return {"service": "", "finding_type": TYPE, "severity": "HIGH", "action": "BLOCK", **changes}


def errors_of(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    errors: dict[str, list[str]] = answer.context["adminform"].form.errors
    return errors


def change_page(row: ThreatPolicy) -> str:
    return reverse("admin:findings_threatpolicy_change", args=[row.pk])


def test_a_setting_made_in_the_admin_is_logged(operator_client: Client) -> None:
    assert operator_client.post(ADD, setting()).status_code == 302
    assert ThreatPolicy.objects.actions() == {Target("", TYPE, "HIGH"): "BLOCK"}
    line = PolicyChange.objects.get()
    assert (line.source, line.action_before, line.action_after) == ("admin", "", "BLOCK")
    assert line.changed_by is not None


@pytest.mark.every_database  # changes and their log
def test_a_setting_changed_in_the_admin_is_logged(operator_client: Client) -> None:
    operator_client.post(ADD, setting())
    page = change_page(ThreatPolicy.objects.get())
    assert operator_client.post(page, {"action": "SAVE"}).status_code == 302
    assert ThreatPolicy.objects.actions() == {Target("", TYPE, "HIGH"): "SAVE"}
    line = PolicyChange.objects.newest_first()[0]
    assert (line.action_before, line.action_after) == ("BLOCK", "SAVE")


@pytest.mark.every_database  # changes and their log
def test_settings_deleted_in_the_admin_are_logged(operator_client: Client) -> None:
    operator_client.post(ADD, setting())
    operator_client.post(ADD, setting(severity="LOW"))
    operator_client.post(ADD, setting(severity=""))
    first, *others = ThreatPolicy.objects.all()
    page = reverse("admin:findings_threatpolicy_delete", args=[first.pk])
    operator_client.post(page, {"post": "yes"})
    chosen = [other.pk for other in others]
    operator_client.post(
        LIST, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    )
    assert not ThreatPolicy.objects.exists()
    assert PolicyChange.objects.filter(action_after="").count() == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"finding_type": ""}, "__all__"),
        ({"service": "EC2"}, "__all__"),
        ({"service": "EC3", "finding_type": ""}, "service"),
        ({"finding_type": "SSHBruteForce"}, "finding_type"),
        ({"action": "REVOKE"}, "action"),
        ({"action": ""}, "action"),
        ({"severity": "SEVERE"}, "severity"),
    ],
)
def test_the_admin_has_the_rules_of_the_api_and_keeps_what_was_typed(
    operator_client: Client, changes: dict[str, str], field: str
) -> None:
    typed = setting(**changes)
    answer = operator_client.post(ADD, typed)
    assert field in errors_of(answer)
    assert not ThreatPolicy.objects.exists()
    form = answer.context["adminform"].form
    assert {name: form[name].value() for name in typed} == typed


def test_an_action_that_the_type_does_not_allow_is_refused_on_change_too(
    operator_client: Client,
) -> None:
    operator_client.post(ADD, setting())
    answer = operator_client.post(change_page(ThreatPolicy.objects.get()), {"action": "REVOKE"})
    assert "action" in errors_of(answer)
    assert ThreatPolicy.objects.get().action == "BLOCK"


def test_what_is_set_already_is_not_set_twice(operator_client: Client) -> None:
    operator_client.post(ADD, setting())
    assert "__all__" in errors_of(operator_client.post(ADD, setting(action="SAVE")))
    assert ThreatPolicy.objects.get().action == "BLOCK"


def test_a_viewer_reads_and_is_offered_no_change(
    operator_client: Client, viewer_client: Client
) -> None:
    operator_client.post(ADD, setting())
    row = ThreatPolicy.objects.get()
    assert viewer_client.get(LIST).status_code == 200
    page = viewer_client.get(change_page(row))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert viewer_client.post(change_page(row), {"action": "SAVE"}).status_code == 403
    assert viewer_client.post(ADD, setting(severity="LOW")).status_code == 403
    delete = reverse("admin:findings_threatpolicy_delete", args=[row.pk])
    assert viewer_client.post(delete, {"post": "yes"}).status_code == 403
    assert ThreatPolicy.objects.get().action == "BLOCK"


def test_the_log_is_read_only_for_everybody(superuser_client: Client) -> None:
    superuser_client.post(ADD, setting())
    line = PolicyChange.objects.get()
    page = reverse("admin:findings_policychange_change", args=[line.pk])
    assert superuser_client.get(LOG).status_code == 200
    assert superuser_client.get(page).status_code == 200
    assert superuser_client.post(page, {"changed_by_name": "x"}).status_code == 403
    assert superuser_client.post(f"{LOG}add/", {}).status_code == 403
    delete = reverse("admin:findings_policychange_delete", args=[line.pk])
    assert superuser_client.post(delete, {"post": "yes"}).status_code == 403
    assert PolicyChange.objects.get().changed_by_name == line.changed_by_name
