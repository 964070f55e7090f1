"""The people that the tests are about."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def groups(db: None) -> None:
    """What the migrations leave behind, also after a test that emptied the tables."""
    cache.clear()
    if not Group.objects.exists():
        importlib.import_module("accounts.migrations.0002_groups").create_groups(apps, None)


def _person(name: str, group: str = "") -> User:
    user = User.objects.create_user(name, f"{name}@example.com", PASSWORD)
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


def _browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def viewer(groups: None) -> User:
    return _person("vera", "viewers")


@pytest.fixture
def operator(groups: None) -> User:
    return _person("oscar", "operators")


@pytest.fixture
def administrator(groups: None) -> User:
    return _person("ada", "administrators")


@pytest.fixture
def stranger(groups: None) -> User:
    """Somebody who may sign in, and has no role."""
    return _person("stella")


@pytest.fixture
def superuser(groups: None) -> User:
    return User.objects.create_superuser("root", "root@example.com", PASSWORD)


@pytest.fixture
def viewer_client(viewer: User) -> Client:
    return _browser(viewer)


@pytest.fixture
def operator_client(operator: User) -> Client:
    return _browser(operator)


@pytest.fixture
def administrator_client(administrator: User) -> Client:
    return _browser(administrator)


@pytest.fixture
def stranger_client(stranger: User) -> Client:
    return _browser(stranger)


@pytest.fixture
def superuser_client(superuser: User) -> Client:
    return _browser(superuser)
