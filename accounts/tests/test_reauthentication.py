from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from time_machine import travel

from accounts.tests.browser import PASSWORD
from conftest import install
from license.tests.keys import make_license

pytestmark = pytest.mark.one_database  # redirects

EMAIL = "/accounts/email/"
ADD = {"email": "new@example.com", "action_add": ""}


@pytest.mark.parametrize(("hours", "goes_on"), [(0.5, True), (25, False)])
def test_a_write_that_waits_for_the_password_goes_on_only_with_a_license(
    viewer: User, viewer_client: Client, hours: float, goes_on: bool
) -> None:
    install(make_license(days=1))
    asked = viewer_client.post(EMAIL, ADD)
    assert asked.headers["Location"].startswith("/accounts/reauthenticate/")
    with travel(timezone.now() + timedelta(hours=hours)):
        viewer_client.post(asked.headers["Location"], {"password": PASSWORD, "next": EMAIL})
    assert EmailAddress.objects.filter(email="new@example.com").exists() is goes_on
