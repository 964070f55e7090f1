from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client

from conftest import install
from license import installation
from license.models import License
from license.tests import keys
from license.tests.keys import make_license

pytestmark = pytest.mark.one_database  # pages; test_install.py installs keys on both

LIST = "/admin/license/license/"
ADD = "/admin/license/license/add/"


def change(row: License) -> str:
    return f"{LIST}{row.pk}/change/"


@pytest.mark.usefixtures("expired_license")
def test_an_administrator_adds_a_license_by_its_key(
    administrator: User, administrator_client: Client
) -> None:
    key = make_license(jti="pasted")
    response = administrator_client.post(ADD, {"key": key}, follow=True)
    assert "Paid license installed." in response.content.decode()
    added = License.objects.get(jti="pasted")
    assert (added.source, added.installed_by) == (License.Source.ADMIN, administrator)
    assert administrator_client.get("/license/status").json()["allows_writes"]


@pytest.mark.usefixtures("valid_license")
def test_a_refused_key_stays_in_the_form_with_the_reason(administrator_client: Client) -> None:
    key = make_license(aws_account_id="210987654321", days=300)
    content = administrator_client.post(ADD, {"key": key}).content.decode()
    assert "The license is for AWS account 210987654321" in content
    assert f"{key}</textarea>" in content
    assert License.objects.count() == 1


@pytest.mark.usefixtures("valid_license")
def test_a_key_that_ends_sooner_must_be_confirmed(administrator_client: Client) -> None:
    key = make_license(days=3)
    refused = administrator_client.post(ADD, {"key": key})
    assert b"Select the check box to install it anyway." in refused.content
    administrator_client.post(ADD, {"key": key, "confirm": "on"})
    assert License.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_key_that_another_one_overtakes_must_be_confirmed(administrator_client: Client) -> None:
    def add() -> str:
        try:
            return administrator_client.post(ADD, {"key": make_license(days=20)}).content.decode()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            installation.install(
                make_license(days=300), by=None, source=License.Source.COMMAND, at=keys.now()
            )
            answer = pool.submit(add)
            sleep(1)  # the key is validated good by now, and waits to be stored
        page = answer.result()
    assert "Select the check box to install it anyway." in page
    assert License.objects.count() == 1


@pytest.mark.usefixtures("groups")
def test_a_key_that_is_installed_already_adds_nothing(administrator_client: Client) -> None:
    key = make_license()
    administrator_client.post(ADD, {"key": key})
    response = administrator_client.post(ADD, {"key": key}, follow=True)
    assert b"This license is already installed." in response.content
    assert License.objects.count() == 1


def test_the_key_is_masked_wherever_it_is_shown(superuser_client: Client) -> None:
    key = make_license()
    superuser_client.post(ADD, {"key": key})
    row = License.objects.get()
    for path in (LIST, change(row), f"{LIST}{row.pk}/history/", "/admin/"):
        content = superuser_client.get(path).content.decode()
        assert key not in content
        assert key.rpartition(".")[2] not in content
    assert row.masked_key in superuser_client.get(LIST).content.decode()
    assert not any(key in str(vars(entry)) for entry in LogEntry.objects.all())


def test_not_even_a_superuser_changes_or_deletes_one(
    superuser_client: Client, valid_license: License
) -> None:
    page = superuser_client.get(change(valid_license)).content
    assert b'name="_save"' not in page
    assert superuser_client.post(change(valid_license), {"key": "other"}).status_code == 403
    delete = f"{LIST}{valid_license.pk}/delete/"
    assert superuser_client.post(delete, {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [valid_license.pk], "post": "yes"}
    superuser_client.post(LIST, action)
    assert License.objects.get().key == valid_license.key


def test_a_viewer_looks_and_adds_nothing(viewer_client: Client, valid_license: License) -> None:
    assert viewer_client.get(change(valid_license)).status_code == 200
    assert viewer_client.post(ADD, {"key": make_license(days=300)}).status_code == 403
    assert License.objects.count() == 1


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", ["/admin/", "/admin/auth/", LIST, ADD, "/admin/auth/user/add/"])
def test_the_banner_is_on_every_page_of_the_admin(superuser_client: Client, path: str) -> None:
    missing = superuser_client.get(path).content.decode()
    assert "Writes are off. License: Missing." in missing
    assert 'href="/license"' in missing
    install(make_license())
    assert "Writes are off" not in superuser_client.get(path).content.decode()


def test_the_signing_keys_of_others_do_no_harm(administrator_client: Client) -> None:
    administrator_client.post(ADD, {"key": make_license(signing_key=keys.other_key())})
    assert not License.objects.exists()
