"""Benchmarks of the portal. Most are ratios whose two sides are measured in the same run.

The portal's side runs the whole Django stack in this process. The license check is measured again
over HTTP, where gunicorn and the network add time to both sides.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks import findings, s3_events, s3_scale, slow_clients, ungated
from benchmarks.measure import compare, line, ratio
from benchmarks.people import browser
from findings.catalogue import FINDING_TYPES, Severity
from license import token
from license.installation import install
from license.models import License
from license.tests import keys
from tests.databases import Databases
from tests.server import Server, running

TARGETS = [(name, severity) for name in FINDING_TYPES for severity in Severity.values]


@contextmanager
def database() -> Iterator[tuple[User, Path]]:
    """Makes a new database with a license, and yields an operator and a folder."""
    folder = Path(tempfile.mkdtemp())
    (folder / "public-key.pem").write_bytes(keys.public_pem())
    with override_settings(
        LICENSE_PUBLIC_KEY_PATH=folder / "public-key.pem",
        LICENSE_REVOCATIONS_PATH=folder / "revocations.jwt",
        STORAGES={
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        },
        STATIC_ROOT=str(folder),
        ALLOWED_HOSTS=["testserver"],
    ):
        # A file, as in deployments, not an in-memory database.
        connection.settings_dict["TEST"]["NAME"] = (
            str(folder / "bench.sqlite3") if connection.vendor == "sqlite" else "bench"
        )
        name = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        try:
            install(keys.make_license(), by=None, source=License.Source.COMMAND, at=timezone.now())
            operator = User.objects.create_user("operator")
            operator.groups.add(Group.objects.get(name="operators"))
            yield operator, folder
        finally:
            connection.creation.destroy_test_db(name, verbosity=0)


def main() -> None:
    """Runs all benchmarks on a new database and prints one line or more for each."""
    with database() as (operator, folder):
        print(f"\n{connection.vendor}")
        for measure in (
            gate,
            gate_over_http,
            verification,
            whole_catalogue,
            threats_page,
            slow_clients.slow_clients_beside,
            findings.look_up,
            findings.intake_of_findings,
            findings.pages_of_findings,
            s3_events.counting,
            s3_scale.workers,
            s3_scale.rows_a_day,
            s3_events.detection,
        ):
            print(measure(operator, folder), flush=True)


def put(client: Client, policies: list[dict[str, Any]]) -> None:
    """Sends PUT /findings. Raises AssertionError if the response is not 200."""
    answer = client.put("/findings", {"policies": policies}, content_type="application/json")
    assert answer.status_code == 200, answer.content  # noqa: S101


def gate(operator: User, folder: Path) -> str:
    """Compares PUT of one policy with and without the license check."""
    actions = cycle(["BLOCK", "SAVE"])

    def changes(client: Client) -> Callable[[], None]:
        def change() -> None:
            put(client, [{"finding_type": "Recon:EC2/Portscan", "action": next(actions)}])

        return change

    licensed = browser(operator)
    with override_settings(MIDDLEWARE=ungated.MIDDLEWARE):
        bypassed = browser(operator)
    found = compare(changes(licensed), changes(bypassed), rounds=500)
    return ratio("license check, in process", found, goal=1.10)


def gate_over_http(operator: User, folder: Path) -> str:
    """Compares the same with an access token over HTTP, with one gunicorn per side."""
    actions = cycle(["BLOCK", "SAVE"])

    def changes(server: Server) -> Callable[[], None]:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {server.access_token()}"

        def change() -> None:
            policy = {"finding_type": "Recon:EC2/Portscan", "action": next(actions)}
            answer = session.put(f"{server.url}/findings", json={"policies": [policy]})
            assert answer.json()["changed"], answer.text  # noqa: S101

        return change

    databases = Databases(folder)
    with (
        running(databases) as licensed,
        running(databases, DJANGO_SETTINGS_MODULE="benchmarks.ungated") as bypassed,
    ):
        licensed.install(keys.make_license())
        found = compare(changes(licensed), changes(bypassed), rounds=500)
    return ratio("license check, over HTTP", found, goal=1.10)


def verification(operator: User, folder: Path) -> str:
    """Compares token.verify with the bare signature check of the same bytes."""
    key, ring, now = keys.make_license(), keys.keyring(), timezone.now()
    signed = key.rpartition(".")[0].encode()
    public_key = keys.vendor_key().public_key()
    signature = keys.vendor_key().sign(signed, padding.PKCS1v15(), hashes.SHA256())
    found = compare(
        lambda: token.verify(key, keyring=ring, account_id=keys.ACCOUNT, now=now),
        lambda: public_key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256()),
        rounds=5000,
    )
    return ratio("token.verify", found, goal=4)


def whole_catalogue(operator: User, folder: Path) -> str:
    """Compares PUT of every type at every severity with hand-written SQL for the same rows."""
    client = browser(operator)
    actions = cycle(["BLOCK", "SAVE"])

    def ours() -> None:
        action = next(actions)
        put(
            client,
            [
                {"finding_type": name, "severity": severity, "action": action}
                for name, severity in TARGETS
            ],
        )

    def theirs() -> None:
        action = next(actions)
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        policy = (
            "INSERT INTO findings_threatpolicy (service, finding_type, severity, action)"
            " VALUES ('', ?, ?, ?) ON CONFLICT (service, finding_type, severity)"
            " DO UPDATE SET action = excluded.action"
        )
        log = (
            "INSERT INTO findings_policychange (changed_at, changed_by_id, changed_by_name,"
            " client_id, source, service, finding_type, severity, action_before, action_after)"
            " VALUES (?, ?, 'operator', '', 'page', '', ?, ?, '', ?)"
        )
        if connection.vendor == "postgresql":
            policy, log = policy.replace("?", "%s"), log.replace("?", "%s")
        connection.ensure_connection()
        bare = connection.connection
        cursor = bare.cursor()
        cursor.execute("BEGIN")
        cursor.executemany(policy, [(*target, action) for target in TARGETS])
        cursor.executemany(log, [(now, operator.pk, *target, action) for target in TARGETS])
        cursor.execute("COMMIT")

    found = compare(ours, theirs, rounds=30)
    return ratio(f"PUT of {len(TARGETS)} policies", found, goal=3)


def threats_page(operator: User, folder: Path) -> str:
    """Counts the queries of /threats, and measures it, with every type set at every severity."""
    client = browser(operator)
    with CaptureQueriesContext(connection) as captured:
        page = client.get("/threats")
    assert page.status_code == 200, page.content  # noqa: S101
    queries = len(captured)  # now: the next request clears Django's record of them
    assert queries, "nothing was recorded"  # noqa: S101
    found = compare(lambda: client.get("/threats"), lambda: client.get("/healthz"), rounds=50)
    note = f"{found.ours:.1f} ms; /healthz takes {found.theirs:.1f} ms"
    return line("queries of /threats", queries, 6, note)
