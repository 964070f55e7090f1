"""Tests the instructions in CONTRIBUTING.md for a new route and a new environment variable.

license/tests/test_reasons.py tests those for a new reason to reject a license.
"""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from pytest_django.fixtures import Settings

from license.models import License
from tests import documented
from tests.server import ROOT


def add_person(request: HttpRequest) -> HttpResponse:
    """A view that writes and does not check the license."""
    User.objects.create_user(request.POST["name"])
    return HttpResponse("Added.")


@pytest.fixture
def _new_route(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Add the route /hires."""
    urls = ModuleType("urls_with_a_new_route")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("hires", add_person, name="add-person"),
        path("", include(settings.ROOT_URLCONF)),
    ]
    monkeypatch.setitem(sys.modules, urls.__name__, urls)
    settings.ROOT_URLCONF = urls.__name__


@pytest.mark.usefixtures("_new_route")
def test_a_new_route_is_gated_from_the_first_minute(operator_client: Client) -> None:
    refused = operator_client.post("/hires", {"name": "hire"})
    assert refused.status_code == 403
    assert refused.json()["code"] == "license_missing"
    assert not User.objects.filter(username="hire").exists()


@pytest.mark.usefixtures("_new_route")
def test_a_new_route_writes_with_a_license(operator_client: Client, valid_license: License) -> None:
    assert operator_client.post("/hires", {"name": "hire"}).content == b"Added."
    assert User.objects.filter(username="hire").exists()


@pytest.mark.usefixtures("_new_route")
def test_a_new_route_is_listed_as_gated(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("checkgate")
    [line] = [line for line in capsys.readouterr().out.splitlines() if "/hires" in line]
    assert "exempt" not in line


def test_a_new_environment_variable_must_be_documented() -> None:
    files = [ROOT / "threatreaction/settings.py", ROOT / documented.SHARED]
    settings = "\n".join(file.read_text() for file in files)
    operations = (ROOT / "docs/operations.md").read_text()
    assert documented.read_by(settings) == documented.listed_in(operations)
    settings += '\nCOLOR_2 = env.str("COLOR_2", default="green")\n'
    assert documented.read_by(settings) - documented.listed_in(operations) == {"COLOR_2"}
    row = "\n| `SECRET_KEY`"
    assert row in operations
    operations = operations.replace(row, f"\n| `COLOR_2` | the color | green |{row}", 1)
    assert documented.read_by(settings) == documented.listed_in(operations)
