"""No destination reaches an address inside, whatever its name resolves to."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from notifications.destinations import KINDS, https
from notifications.tests.receiver import Receiver, receiver
from notifications.tests.sending import MESSAGE
from serving import egress
from serving.egress import may_connect, networks

PUBLIC = "93.184.215.14"


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Resolves any name to these addresses, one list each time, the last one from then on.

    Returns the names that were asked for.
    """
    asked: list[str] = []
    original = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1]
        return [
            place
            for address in addresses
            for place in original(address, port, type=socket.SOCK_STREAM)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.0.192",
        "198.18.0.1",
        "168.63.129.16",
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "",
    ],
)
def test_addresses_inside_are_not_reached(address: str) -> None:
    assert not may_connect(address, 443, allowed=[])


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07::1", "64:ff9b::93.184.215.14"])
def test_public_addresses_are_reached_with_tls_only(address: str) -> None:
    assert may_connect(address, 443, allowed=[])
    assert may_connect(address, 8443, allowed=[])
    assert not may_connect(address, 25, allowed=[])
    assert not may_connect(address, 80, allowed=networks(["10.0.0.0/8"]), is_encrypted=False)


def test_allowed_networks_open_neither_metadata_nor_others() -> None:
    allowed = networks(["10.1.0.0/16", " fd12::/16", "0.0.0.0/1", "128.0.0.0/1", "::/0"])
    assert may_connect("10.1.2.3", 443, allowed=allowed)
    assert may_connect("::ffff:10.1.2.3", 80, allowed=allowed, is_encrypted=False)
    assert may_connect("fd12::1", 443, allowed=allowed)
    for address in ("169.254.169.254", "fd00:ec2::254", "fe80::1", "224.0.0.1", "0.0.0.1"):
        assert not may_connect(address, 443, allowed=allowed)
    assert not may_connect("10.2.0.1", 443, allowed=networks(["10.1.0.0/16"]))


@pytest.mark.parametrize("kind", ["webhook", "slack", "teams"])
@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::1"]])
def test_a_name_that_resolves_to_an_address_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str, addresses: list[str]
) -> None:
    given = {"url": "https://innocent.example/hook"}
    if kind == "webhook":
        given["secret"] = "whsec_" + "a" * 40
    destination = KINDS[kind].clean(given)
    resolve(monkeypatch, addresses)
    # A connection would fail with another text.
    answer = KINDS[kind].send(destination, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, False)
    assert answer.text == (
        "Refused: innocent.example: it has an address or a port that is not allowed."
    )


def test_the_address_that_was_checked_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    with receiver() as server:
        port = server.url.rpartition(":")[2]
        asked = resolve(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        answer = KINDS["slack"].send({"url": f"http://rebinding.example:{port}/"}, MESSAGE)
        assert answer.delivered
        assert asked == ["rebinding.example"]
        answer = KINDS["slack"].send({"url": f"http://rebinding.example:{port}/"}, MESSAGE)
        assert answer.text.startswith("Refused")
        assert len(server.requests) == 1


def test_no_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiver() as server, receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert KINDS["slack"].send({"url": server.url}, MESSAGE).delivered
        assert server.requests
        assert not proxy.requests


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example", "a..example", "2130706433", "0x7f.1", "[::ffff:7f00:1]"]
)
def test_a_strange_host_is_an_answer(host: str) -> None:
    answer = KINDS["slack"].send({"url": f"https://{host}/"}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, False)


def test_a_resolver_that_hangs_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(https, "SEND_FOR", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: over.wait())
    began = time.monotonic()
    answer = KINDS["slack"].send({"url": "https://slow.example/"}, MESSAGE)
    assert time.monotonic() - began < 5
    over.set()
    assert (answer.delivered, answer.retry) == (False, True)
    assert answer.text.startswith("slow.example did not answer within")


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as full:
        # Of a server with a full queue, a connection waits.
        full.bind(("127.0.0.2", server.getsockname()[1]))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        resolve(monkeypatch, ["127.0.0.2", "127.0.0.1"])
        connected = egress.connect(
            "two.example",
            server.getsockname()[1],
            allowed=networks(["127.0.0.0/8"]),
            is_encrypted=False,
            deadline=time.monotonic() + 1,
        )
        assert connected.getpeername()[0] == "127.0.0.1"
        for one in [*waiting, connected]:
            one.close()


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture
def https_receiver(certificate: Path, settings: Settings) -> Iterator[Receiver]:
    """A receiver that speaks TLS."""
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiver(context) as server:
        yield server


def test_tls_is_verified(
    https_receiver: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = KINDS["slack"].send({"url": https_receiver.url}, MESSAGE)
    assert (answer.delivered, answer.retry) == (False, True)
    assert answer.text == "TLS: 127.0.0.1: self-signed certificate"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert KINDS["slack"].send({"url": https_receiver.url}, MESSAGE).delivered
    by_name = https_receiver.url.replace("127.0.0.1", "localhost")
    resolve(monkeypatch, ["127.0.0.1"])
    assert "Hostname mismatch" in KINDS["slack"].send({"url": by_name}, MESSAGE).text


def test_a_server_without_tls_is_told(settings: Settings) -> None:
    settings.NOTIFY_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiver() as server:
        url = server.url.replace("http:", "https:")
        answer = KINDS["slack"].send({"url": url}, MESSAGE)
        assert (answer.delivered, answer.retry) == (False, True)
        assert answer.text.startswith("TLS: 127.0.0.1: ")
