"""Mail about orders and licenses: every step is told, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings
from time_machine import travel

from panel import issuing, ordering, outbox
from panel.models import Customer, IssuedLicense, Order, OutgoingMail
from panel.tests.conftest import ACCOUNT, start_trial
from panel.tests.test_orders import ASKED, PAID, pay, place
from tests.at_once import at_once
from tests.test_secrets import traces

ALICE, STAFF = "alice@example.com", "sam@vendor.example"


@pytest.fixture
def after_commit(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Iterator[None]:
    with django_capture_on_commit_callbacks(execute=True):
        yield


def subjects(to: str) -> list[str]:
    return list(OutgoingMail.objects.filter(to=to).order_by("pk").values_list("subject", flat=True))


@pytest.mark.one_database  # mail
def test_every_step_is_mailed_to_the_customer_and_orders_to_staff(
    alice: Customer, staff: User
) -> None:
    now = timezone.now()
    order, other = place(alice), place(alice, months=1)
    issued = pay(order, staff).license
    issuing.suspend(alice, by=staff, why="The transfer bounced.", at=now)
    pay(other, staff)
    ordering.undo_payment(other, by=staff, why="Not yours.", at=now)
    ordering.cancel(other, by=staff, why="As you asked.", at=now)
    issuing.reinstate(alice, by=staff, why="It arrived.", at=now)
    new = issuing.replace(issued, by=alice.user, why="lost", at=now)
    issuing.revoke(new, by=staff, why="The license was resold.", at=now)
    license_of = f"our Paid license for AWS account {ACCOUNT}"
    assert subjects(ALICE) == [
        f"{order}: we have received it",
        f"{other}: we have received it",
        f"Y{license_of}",
        "Your account is on hold",
        f"{other}: we have received your payment",
        f"{other}: the payment was undone",
        f"{other} is cancelled",
        "Your account is no longer on hold",
        f"Y{license_of}",
        f"Your license for AWS account {ACCOUNT} is revoked",
    ]
    assert subjects(STAFF) == [
        f"[Licensing] {order} from {ALICE}",
        f"[Licensing] {other} from {ALICE}",
        f"[Licensing] {other} is paid, but {ALICE} is suspended",
        f"[Licensing] {other} from {ALICE} is cancelled",
    ]
    bodies = "".join(OutgoingMail.objects.values_list("body", flat=True))
    for why in ("The transfer bounced.", "Not yours.", "As you asked.", "The license was resold."):
        assert why in bodies
    assert f"http://testserver/panel/orders/{order.pk}" in bodies
    assert "http://testserver/panel/licenses" in bodies
    for license in IssuedLicense.objects.all():
        assert traces(license.key, bodies) == []


def test_an_order_is_mailed_after_the_commit_with_its_invoice(
    alice: Customer, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        place(alice)
        assert mail.outbox == []
    (sent,) = mail.outbox
    assert "IBAN DE02" in sent.body
    assert "Reference: TR-000001" in sent.body
    (attached,) = sent.attachments
    assert (attached.filename, attached.content[:5]) == ("invoice-TR-000001.pdf", b"%PDF-")


def test_a_mail_server_that_is_down_loses_nothing_and_fails_no_request(
    alice_client: Client,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    caplog: pytest.LogCaptureFixture,
) -> None:
    working, settings.EMAIL_BACKEND = (
        settings.EMAIL_BACKEND,
        "django.core.mail.backends.smtp.EmailBackend",
    )
    settings.EMAIL_PORT = 1  # nobody listens
    with django_capture_on_commit_callbacks(execute=True):
        answer = alice_client.post(PAID, ASKED)
    order = Order.objects.get()
    assert answer.headers["Location"] == f"/panel/orders/{order.pk}"
    assert "could not be sent" in caplog.text
    with pytest.raises(CommandError, match="1 mails could not be sent"):
        call_command("sendreminders")
    settings.EMAIL_BACKEND = working
    for _ in range(2):
        call_command("sendreminders")
    assert [sent.subject for sent in mail.outbox] == [f"{order}: we have received it"]


def test_a_mail_that_a_dead_process_had_begun_is_sent_later(
    alice: Customer, staff_client: Client
) -> None:
    place(alice)
    row, _to_staff = outbox.waiting()
    mails = "/panel/admin/panel/outgoingmail/"
    assert row.subject in staff_client.get(mails, {"status": "waiting"}).content.decode()
    OutgoingMail.objects.update(claimed_at=timezone.now())
    assert not outbox.send(row)
    with travel(timezone.now() + timedelta(minutes=11), tick=False):
        assert outbox.send(row)
    assert len(mail.outbox) == 1
    assert row.subject not in staff_client.get(mails, {"status": "waiting"}).content.decode()
    assert "Sent 20" in staff_client.get(mails, {"status": "sent"}).content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_processes_send_a_mail_once(alice: Customer, settings: Settings) -> None:
    cache.set(outbox.PAUSED, True, 60)
    start_trial(alice)
    (row,) = outbox.waiting()
    assert sorted(at_once(lambda: outbox.send(row), lambda: outbox.send(row))) == [False, True]
    assert len(mail.outbox) == 1


@pytest.mark.one_database  # mail
def test_a_refused_address_holds_up_nobody_and_is_tried_for_days(
    alice: Customer,
    bob: Customer,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    send_messages = EmailBackend.send_messages

    def refusing(backend: EmailBackend, messages: list[EmailMessage]) -> int:
        if messages[0].to == [ALICE]:
            raise SMTPRecipientsRefused({ALICE: (550, b"no such user")})
        return send_messages(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refusing)
    with django_capture_on_commit_callbacks(execute=True):
        start_trial(alice)
        start_trial(bob, account="432109876543")
    assert [sent.to for sent in mail.outbox] == [["bob@example.com"]]
    with pytest.raises(CommandError, match="1 mails could not be sent"):
        call_command("sendreminders")
    with travel(timezone.now() + timedelta(days=6), tick=False):
        assert outbox.waiting() == []


@pytest.mark.django_db
def test_a_subject_is_no_longer_than_its_column() -> None:
    outbox.write(ALICE, f"Order 1 from {'x' * 250}", "")
    assert OutgoingMail.objects.get().subject.endswith("…")


@pytest.mark.one_database  # pages and texts
def test_a_code_that_cannot_be_mailed_is_told_on_a_page(
    alice: Customer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1  # nobody listens
    client = Client(raise_request_exception=False)
    answer = client.post("/panel/accounts/login/code/", {"email": ALICE})
    assert answer.status_code == 503
    assert "cannot send email at the moment" in answer.content.decode()


@pytest.mark.one_database  # pages and texts
def test_a_dry_run_lists_mail_that_waits(
    alice: Customer, capsys: pytest.CaptureFixture[str]
) -> None:
    order = place(alice)
    call_command("sendreminders", dry_run=True)
    assert f"to {ALICE}: {order}: we have received it" in capsys.readouterr().out
    assert mail.outbox == []
