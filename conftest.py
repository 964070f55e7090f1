"""Fixtures for all tests of the portal: users, licenses, API clients and AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone

from accounts.tests.browser import PASSWORD
from license import clock, refused_writes
from license.models import License
from license.tests import keys
from tests import tls
from tests.migrated import django_db_setup  # noqa: F401  (a fixture)

if TYPE_CHECKING:
    from tests.aws import Cloud


@pytest.fixture(autouse=True, scope="session")
def _settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set for the whole run what no test expects otherwise."""
    vendor = tmp_path_factory.mktemp("public")
    with override_settings(
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # which is fast
        # No rate limit; accounts/tests/test_too_many.py tests it.
        ANONYMOUS_WRITE_RATE="",
        # Static files whose names have no hash, which requires collectstatic.
        STATIC_ROOT=tmp_path_factory.mktemp("empty"),
        STORAGES=settings.STORAGES
        | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}},
        # The vendor of `license.tests.keys`.
        LICENSE_PUBLIC_KEY_PATH=vendor / "public-key.pem",
        LICENSE_REVOCATIONS_PATH=vendor / "revocations.jwt",
    ):
        yield


@pytest.fixture(autouse=True)
def _trusted_vendor(_settings: None) -> None:
    """Undo what an earlier test did to the files of the vendor. There is no revocation list."""
    public_key: Path = settings.LICENSE_PUBLIC_KEY_PATH
    if not public_key.exists() or public_key.read_bytes() != keys.public_pem():
        public_key.write_bytes(keys.public_pem())
    settings.LICENSE_REVOCATIONS_PATH.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _no_time_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the process has seen and counted, as each test has its own database and time."""
    monkeypatch.setattr(clock, "memory", clock.Memory())
    monkeypatch.setattr(refused_writes, "tally", refused_writes.Tally())


def install(key: str) -> License:
    """Add a key to the history without validation. Return the row."""
    return License.objects.create(
        key=key,
        jti=f"row {License.objects.count()}",
        plan_untrusted="paid",
        expires_at_untrusted=keys.now(),
        installed_at=keys.now(),
        source=License.Source.COMMAND,
    )


@pytest.fixture
def valid_license(db: None) -> License:
    """An installed Paid license that expires in 30 days."""
    return install(keys.make_license())


@pytest.fixture
def expired_license(db: None) -> License:
    """An installed license that has just expired."""
    return install(keys.make_license(not_before=keys.now() - timedelta(days=30)))


@pytest.fixture
def groups(db: None) -> None:
    """The groups viewers, operators and administrators, with cleared rate limits."""
    cache.clear()


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
    """Vera, in the group viewers."""
    return _person("vera", "viewers")


@pytest.fixture
def operator(groups: None) -> User:
    """Oscar, in the group operators."""
    return _person("oscar", "operators")


@pytest.fixture
def administrator(groups: None) -> User:
    """Ada, in the group administrators."""
    return _person("ada", "administrators")


@pytest.fixture
def stranger(groups: None) -> User:
    """Stella, a user without a group."""
    return _person("stella")


@pytest.fixture
def superuser(groups: None) -> User:
    """Root, a superuser."""
    return User.objects.create_superuser("root", "root@example.com", PASSWORD)


@pytest.fixture
def viewer_client(viewer: User) -> Client:
    """A client with the session of `viewer`."""
    return _browser(viewer)


@pytest.fixture
def operator_client(operator: User) -> Client:
    """A client with the session of `operator`."""
    return _browser(operator)


@pytest.fixture
def administrator_client(administrator: User) -> Client:
    """A client with the session of `administrator`."""
    return _browser(administrator)


@pytest.fixture
def stranger_client(stranger: User) -> Client:
    """A client with the session of `stranger`."""
    return _browser(stranger)


@pytest.fixture
def superuser_client(superuser: User) -> Client:
    """A client with the session of `superuser`."""
    return _browser(superuser)


@pytest.fixture
def program(db: None) -> Callable[[str], Client]:
    """Return a function that returns a client with an access token for the given scopes."""

    def with_scopes(scopes: str) -> Client:
        client = OAuthClient.objects.create(name="pipeline", grant_types="client_credentials")
        token = Token(
            client=client,
            type=Token.Type.ACCESS_TOKEN,
            expires_at=timezone.now() + timedelta(hours=1),
        )
        token.set_scopes(scopes.split())
        token.set_value(f"token for {scopes}")
        token.save()
        return Client(headers={"Authorization": f"Bearer token for {scopes}"})

    return with_scopes


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a certificate for 127.0.0.1, signed by itself, and its key."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(tls.self_signed())
    return path


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Cloud]:
    """The simulated AWS of this process."""
    from tests import aws  # here because importing moto is slow

    with aws.cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """An empty simulated AWS account, which all boto3 clients in this process use."""
    running_cloud.reset()
    for name, value in running_cloud.environment.items():
        monkeypatch.setenv(name, value)
    return running_cloud
