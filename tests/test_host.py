"""The portal on a machine of its own: deploy/host, and HSTS."""

from __future__ import annotations

import re

import pytest
from django.core.management import get_commands

from serving.shared_settings import of_scheme
from tests.server import ROOT

UNITS = sorted((ROOT / "deploy/host").glob("*.service"))


def test_the_units_run_commands_that_exist() -> None:
    started = [line for unit in UNITS for line in re.findall("ExecStart=(.*)", unit.read_text())]
    commands = {
        found[1] for line in started if (found := re.search(r"manage\.py (\S+)$", line)) is not None
    }
    assert commands == {"processfindings", "clearsessions", "oidc_cleartokens"}
    assert commands <= get_commands().keys()
    assert len(commands) == len(started) - 1  # the other one is gunicorn


def test_hsts_is_preloaded_only_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not of_scheme("https")["SECURE_HSTS_PRELOAD"]
    monkeypatch.setenv("HSTS_PRELOAD", "on")
    assert of_scheme("https")["SECURE_HSTS_PRELOAD"]
    assert not of_scheme("http")["SECURE_HSTS_PRELOAD"]
