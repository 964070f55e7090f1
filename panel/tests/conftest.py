"""Users of the panel's tests, and its signing key."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache as cached
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.apps import apps
from django.conf import settings as panel_settings
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django.fixtures import Settings
from time_machine import Traveller, travel

import tests.server
from license.keyring import load_signing_key
from license.tests import keys
from panel import account_proof, customers, issuing, ordering, payments, second_factor, signing
from panel.models import Customer, IssuedLicense, Order
from panel.selling import Billing
from panel.tests import fake_stripe, sts
from panel.tests import server as servers
from panel.tests.fake_stripe import StripeApi
from panel.tests.server import PanelDatabases
from panel.tests.sts import Sts
from tests.databases import Databases
from tests.migrated import django_db_setup  # noqa: F401  (a fixture)
from tests.server import Server

# Not keys.ACCOUNT, which is an example of AWS's documentation: the panel refuses those.
ACCOUNT = "210987654321"
OTHER_ACCOUNT = "321098765432"
BILLING = Billing(street="Main St 1", postal_code="10115", city="Berlin", country="DE")


@pytest.fixture(scope="session")
def signing_key_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vendor's key of license.tests.keys, in a file that only this user can read."""
    path = tmp_path_factory.mktemp("vendor") / "signing-key.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        keys.vendor_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@pytest.fixture(autouse=True, scope="session")
def _settings(signing_key_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set for the whole run what no test expects otherwise."""
    with override_settings(
        LICENSE_SIGNING_KEY=str(signing_key_path),
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        # The hashed names need a collectstatic; the tests with a real server use them.
        STATIC_ROOT=tmp_path_factory.mktemp("empty"),
        STORAGES=panel_settings.STORAGES
        | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}},
    ):
        yield


@pytest.fixture(autouse=True, scope="session")
def _parsed_once() -> Iterator[None]:
    """Parse each signing key once: OpenSSL checks its primes, which takes as long as a request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing, "load_signing_key", cached(load_signing_key))
        yield


def person(email: str) -> User:
    cache.clear()  # nobody has asked for anything yet
    user = User.objects.create_user(email, email)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    return user


def browser(user: User) -> Client:
    """Returns a client where the user is signed in; staff with a second factor."""
    client = Client()
    client.force_login(user, "allauth.account.auth_backends.AuthenticationBackend")
    if user.is_staff:
        if not second_factor.is_set_up(user):
            TOTP.activate(user, generate_totp_secret())
        session = client.session
        session["account_authentication_methods_user"] = str(user.pk)
        session["account_authentication_methods"] = [{"method": "mfa", "at": time.time()}]
        session.save()
    return client


@pytest.fixture
def alice(db: None) -> Customer:
    return customers.customer_of(person("alice@example.com"))


@pytest.fixture
def bob(db: None) -> Customer:
    """Another customer, who must not see Alice's data."""
    return customers.customer_of(person("bob@example.com"))


@pytest.fixture
def staff(db: None) -> User:
    user = person("sam@vendor.example")
    user.is_staff = True
    user.save()
    # What the migrations leave behind, also after a test that emptied the tables.
    importlib.import_module("panel.migrations.0003_staff_group").create_group(apps, None)
    importlib.import_module("panel.migrations.0005_account_proofs").let_staff_approve(apps, None)
    importlib.import_module("panel.migrations.0006_teams").let_staff_make_owners(apps, None)
    importlib.import_module("panel.migrations.0009_staff_see_invoices").extend_group(apps, None)
    user.groups.add(Group.objects.get(name="licensing staff"))
    return user


@pytest.fixture
def alice_client(alice: Customer) -> Client:
    return browser(alice.user)


@pytest.fixture
def bob_client(bob: Customer) -> Client:
    return browser(bob.user)


@pytest.fixture
def staff_client(staff: User) -> Client:
    return browser(staff)


Buy = Callable[..., IssuedLicense]


@pytest.fixture
def buy(staff: User) -> Buy:
    """A Paid license, ordered and marked paid."""

    def bought(
        customer: Customer, *, months: int = 12, account: str = ACCOUNT, at: datetime | None = None
    ) -> IssuedLicense:
        at = at or timezone.now()
        order = ordering.place_order(
            customer, account_id=account, months=months, name="", billing=BILLING, at=at
        )
        paid = ordering.settle(
            order, paid_by=Order.Payment.INVOICE, by=staff, why="invoice 1", at=at
        )
        return paid.license

    return bought


@pytest.fixture
def stripe_api(settings: Settings) -> Iterator[StripeApi]:
    """A fake of Stripe's API, by which customers pay."""
    settings.STRIPE_SECRET_KEY = fake_stripe.SECRET_KEY
    settings.STRIPE_WEBHOOK_SECRET = fake_stripe.WEBHOOK_SECRET
    with fake_stripe.running() as server:
        settings.STRIPE_API_URL = server.url
        yield server


@pytest.fixture
def stripe_order(stripe_api: StripeApi, alice: Customer) -> Order:
    """Alice's order, with a session at Stripe."""
    placed = ordering.place_order(
        alice, account_id=ACCOUNT, months=12, name="", billing=BILLING, at=timezone.now()
    )
    payments.checkout_url(placed)
    return placed


def start_trial(
    customer: Customer, *, account: str = ACCOUNT, at: datetime | None = None
) -> IssuedLicense:
    at = at or timezone.now()
    approve(customer, account=account, at=at)
    return issuing.start_trial(customer, account_id=account, name="", at=at)


def approve(customer: Customer, *, account: str = ACCOUNT, at: datetime | None = None) -> None:
    """Approves the account by hand, as staff can."""
    at = at or timezone.now()
    account_proof.approve(customer, account_id=account, by=customer.user, why="called", at=at)


@pytest.fixture(scope="session")
def panel_databases(
    tmp_path_factory: pytest.TempPathFactory,
    shared_folder: Path,
    migrated_database: str,
    signing_key_path: Path,
) -> PanelDatabases:
    return PanelDatabases(
        tmp_path_factory.mktemp("panel"),
        shared_folder,
        migrated_database,
        signing_key_path=signing_key_path,
    )


@pytest.fixture(scope="session")
def aws() -> Iterator[Sts]:
    with sts.running() as running:
        yield running


@pytest.fixture(scope="session")
def _running_panel(panel_databases: PanelDatabases, aws: Sts) -> Iterator[Server]:
    with servers.running(panel_databases, STS_ENDPOINT_URL=aws.url) as running:
        yield running


@pytest.fixture
def panel(panel_databases: PanelDatabases, _running_panel: Server) -> Server:
    """The vendor's panel, with a member of staff and no customer. The process is the same for all
    tests, and the database is as new for each."""
    return tests.server.restored(_running_panel, panel_databases)


@pytest.fixture
def portal(databases: Databases, panel: Server, aws: Sts) -> Iterator[Server]:
    """A customer's portal whose links lead to this panel. Nothing is installed."""
    with tests.server.running(
        databases,
        PANEL_URL=f"{panel.url}/panel",
        AWS_ACCOUNT_ID=ACCOUNT,
        **aws.credentials(ACCOUNT),
    ) as running:
        yield running


@pytest.fixture
def clock() -> Iterator[Traveller]:
    """A clock that stands still, and that the test moves."""
    with travel(timezone.now(), tick=False) as clock:
        yield clock
