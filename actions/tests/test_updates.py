"""The update check, against a real server with TLS."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import updates
from actions.updates import UpdateError, check_if_due, fetched, is_newer, parsed
from license.models import License

pytestmark = pytest.mark.one_database  # pages and requests to a server

TEMPLATE = "https://releases.s3.eu-central-1.amazonaws.com/9.1.0/threatreaction.yaml"
NOTES = "https://threatreaction.com/releases/9.1.0?lang=en"
DOCUMENT = {"version": "9.1.0", "template_url": TEMPLATE, "notes_url": NOTES}


class Vendor(ThreadingHTTPServer):
    """Answers each path in its own way."""

    daemon_threads = True
    document: object = DOCUMENT
    asked = 0

    def handle_error(self, *about: object) -> None:
        """Says nothing: clients disconnect on purpose."""


class Answers(BaseHTTPRequestHandler):
    server: Vendor

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.end_headers()
        elif self.path == "/error":
            self.send_error(500)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            for _ in range(800):  # 50 MiB
                self.wfile.write(b" " * 65_536)
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b" ")
                time.sleep(0.05)
        else:
            body = json.dumps(self.server.document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *about: object) -> None:
        pass


@pytest.fixture
def vendor(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Vendor]:
    """A server that the worker trusts, at UPDATE_URL."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    server = Vendor(("127.0.0.1", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    settings.UPDATE_URL = f"https://127.0.0.1:{server.server_address[1]}/latest.json"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def at(vendor: Vendor, path: str) -> str:
    return f"https://127.0.0.1:{vendor.server_address[1]}{path}"


def test_a_document_is_read(vendor: Vendor) -> None:
    assert json.loads(fetched(at(vendor, "/latest.json?of=me"))) == DOCUMENT


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/redirect", "The server answered with status 302."),
        ("/error", "The server answered with status 500."),
        ("/endless", "The answer has more than 64 KiB."),
    ],
)
def test_a_bad_answer_is_told(vendor: Vendor, path: str, told: str) -> None:
    with pytest.raises(UpdateError) as error:
        fetched(at(vendor, path))
    assert str(error.value) == told
    assert vendor.asked == 1


def test_a_slow_answer_is_cut_off(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "LONGEST", 0.3)
    with pytest.raises(UpdateError, match="The server took too long"):
        fetched(at(vendor, "/slow"))


def test_a_private_address_is_not_reached(vendor: Vendor, settings: Settings) -> None:
    settings.NOTIFY_ALLOWED_NETWORKS = []
    with pytest.raises(UpdateError, match="private address"):
        fetched(at(vendor, "/latest.json"))
    assert vendor.asked == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x", "file:///etc/passwd", "ftp://x/y", "https://", "https://[::1/",
        "https://host:port/", "gopher://169.254.169.254/", "https://a host/x", "https://a\x7fb/",
    ],
)  # fmt: skip
def test_only_https_is_read(url: str) -> None:
    with pytest.raises(UpdateError, match="must be a valid URL that begins with https://"):
        fetched(url)


def test_a_server_that_nobody_vouches_for_is_not_read(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(UpdateError, match="SSLCertVerificationError") as error:
        fetched(at(vendor, "/?token=hidden"))
    assert "hidden" not in str(error.value)
    assert vendor.asked == 0


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", b"<html>", b"[]", b"null", b"{}", b"[" * 60_000, b'{"version": 2}',
        b'{"version": "<b>1</b>"}', b'{"version": "1.0\\n<script>"}', b'{"version": null}',
        b'{"version": "%s"}' % (b"1." * 5000 + b"1"),
        *(json.dumps({"version": "9.0", name: url}).encode()
          for name in ("template_url", "notes_url")
          for url in ("javascript:alert(1)", "http://x/", "https://x/\"onclick=", "https:x", 1,
                      "https://user@x/", "https://x", ["https://x/"], "https://x/" + "a" * 1001)),
    ],
)  # fmt: skip
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(UpdateError, match="The answer"):
        parsed(body)


@pytest.mark.parametrize(
    ("found", "running", "newer"),
    [
        ("1.10.0", "1.9.0", True), ("1.9.0", "1.10.0", False), ("1.0", "1.0.0", False),
        ("2.0.0rc1", "2.0.0", False), ("2.0.0", "2.0.0rc1", True), ("2.0", "unknown", False),
    ],
)  # fmt: skip
def test_versions_are_compared(found: str, running: str, newer: bool) -> None:
    assert is_newer(found, running) is newer


@pytest.mark.every_database  # a claim
@pytest.mark.django_db
def test_a_worker_looks_once_a_day_and_when_asked(
    vendor: Vendor, administrator_client: Client, expired_license: License
) -> None:
    now = timezone.now()
    for _ in range(3):
        check_if_due(now)
    assert vendor.asked == 1
    with time_machine.travel(now + timedelta(hours=25)):
        check_if_due(timezone.now())
    assert vendor.asked == 2
    answer = administrator_client.post("/application/update-check")  # also without a license
    assert (answer.status_code, answer.headers["Location"]) == (302, "/application#update")
    assert "Waiting for a worker" in administrator_client.get("/application").content.decode()
    check_if_due(now)
    assert vendor.asked == 3


@pytest.mark.django_db
def test_the_page_links_to_the_update_of_the_stack(
    vendor: Vendor, administrator_client: Client, viewer_client: Client, settings: Settings
) -> None:
    def shown() -> str:
        return viewer_client.get("/application").content.decode()

    assert "Not checked yet" in shown()
    check_if_due(timezone.now())
    page = shown()
    assert "9.1.0 is available" in page
    assert f'href="{TEMPLATE}"' in page  # without a stack, only the template
    assert f'href="{NOTES}"' in page
    for region, console in (
        ("eu-central-1", "eu-central-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
    ):
        settings.STACK_ID = f"arn:aws:cloudformation:{region}:123456789012:stack/portal/1f-2e"
        told = (
            f"https://{console}/cloudformation/home?region={region}#/stacks/update/template"
            f"?stackId=arn%3Aaws%3Acloudformation%3A{region}%3A123456789012%3Astack%2Fportal%2F1f-2e"
            "&amp;templateURL=https%3A%2F%2Freleases.s3.eu-central-1.amazonaws.com%2F9.1.0"
            "%2Fthreatreaction.yaml"
        )
        assert f'href="{told}"' in shown()
    vendor.document = {"version": "0.0.1"}
    updates.ask()
    check_if_due(timezone.now())
    assert "No newer version" in shown()
    settings.UPDATE_URL = ""
    assert "UPDATE_URL is not set" in shown()


@pytest.mark.django_db
def test_a_failed_check_is_told_and_not_repeated(
    vendor: Vendor, viewer_client: Client, settings: Settings
) -> None:
    settings.UPDATE_URL = at(vendor, "/redirect")
    check_if_due(timezone.now())
    check_if_due(timezone.now())
    assert vendor.asked == 1
    page = viewer_client.get("/application").content.decode()
    assert "The server answered with status 302." in page
    assert viewer_client.post("/application/update-check").status_code == 403


@pytest.mark.django_db
def test_without_a_url_nothing_is_asked(settings: Settings) -> None:
    settings.UPDATE_URL = ""
    check_if_due(timezone.now())
    assert updates.last() is None
    assert not updates.is_asked()
