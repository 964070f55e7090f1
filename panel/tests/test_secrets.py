"""License keys do not leak, and outages result in clear error pages."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings
from time_machine import travel

from panel.models import Customer, IssuedLicense
from panel.tests.conftest import ACCOUNT, approve, start_trial
from panel.tests.server import PanelDatabases, running
from tests.test_secrets import traces

pytestmark = pytest.mark.one_database  # logs and mail

TRIAL = {"account_id": ACCOUNT, "name": "Example Corp"}


def test_a_key_is_in_no_log_no_mail_and_no_address(
    alice: Customer,
    alice_client: Client,
    staff_client: Client,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    caplog.set_level(logging.DEBUG)
    alice_client.raise_request_exception = False
    answers: list[Any] = []

    def post(client: Client, path: str, what: dict[str, str]) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            answers.append(client.post(path, what))

    approve(alice)
    post(alice_client, "/panel/request-license?plan=trial", TRIAL)
    trial = IssuedLicense.objects.get()
    post(alice_client, "/panel/request-license?plan=trial", TRIAL)
    # A key that was pasted where it does not belong.
    post(alice_client, f"/panel/request-license?plan={'x' * 40}", {"account_id": trial.key})
    post(alice_client, "/panel/accounts/login/code/", {"email": trial.key})
    post(alice_client, f"/panel/licenses/{trial.jti}/replace", {"why": "It leaked"})
    settings.LICENSE_SIGNING_KEY = "/nowhere/signing-key.pem"
    new = IssuedLicense.objects.newest_first()[0]
    post(alice_client, f"/panel/licenses/{new.jti}/replace", {"why": "Again"})
    assert answers[-1].status_code == 503
    for client, path in (
        (alice_client, "/panel/licenses"),
        (alice_client, f"/panel/licenses/{trial.jti}/key.txt"),
        (staff_client, "/panel/admin/panel/issuedlicense/"),
        (staff_client, f"/panel/admin/panel/issuedlicense/{trial.pk}/change/"),
        (staff_client, "/panel/admin/panel/act/"),
    ):
        answers.append(client.get(path))
        assert answers[-1].status_code == 200
        if client is staff_client:
            assert traces(trial.key, answers[-1].content.decode()) == []
            assert traces(new.key, answers[-1].content.decode()) == []
    with travel(trial.expires_at, tick=False):
        call_command("sendreminders")
    printed = capsys.readouterr()
    assert re.search(r"could not|cannot", caplog.text)  # the log was listened to
    for key in (trial.key, new.key):
        assert mail.outbox
        for text in (
            caplog.text,
            printed.out + printed.err,
            *(f"{sent.subject} {sent.body}" for sent in mail.outbox),
            *(str(answer.headers) for answer in answers),
        ):
            assert traces(key, text) == []


def test_a_database_that_is_gone_is_told_and_the_keys_stay_published(
    panel_databases: PanelDatabases,
) -> None:
    with running(panel_databases, PANEL_DATABASE_URL="sqlite:////nowhere/at/all.sqlite3") as panel:
        assert panel.request("GET", "/panel/public-key.pem").status_code == 200
        session = {"Cookie": f"panel_sessionid={'x' * 32}"}
        for path in ("/panel/revocations.jwt", "/panel/licenses"):
            answer = panel.request("GET", path, headers=session)
            assert answer.status_code == 503
            assert "temporarily unavailable" in answer.text


def test_what_staff_do_names_no_key(alice: Customer, staff_client: Client) -> None:
    issued = start_trial(alice)
    answer = staff_client.post(
        "/panel/admin/panel/issuedlicense/",
        {"action": "revoke", "_selected_action": issued.pk, "confirmed": "yes", "why": "fraud"},
        follow=True,
    )
    assert f"Done: {issued.jti}." in answer.content.decode()
    assert traces(issued.key, answer.content.decode()) == []
