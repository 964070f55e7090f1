"""Connections to the internet that cannot be led inside.

A user enters the URL of a destination of notifications. So that it cannot reach the metadata
service, the VPC or the portal itself, the address is checked that the socket connects to, after
DNS: a name that resolves to another address a moment later gains nothing. Standard library only.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeVar

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
T = TypeVar("T")

# Not even NOTIFY_ALLOWED_NETWORKS opens these: they hold credentials, or are no host.
_NEVER = [
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "169.254.0.0/16",  # link-local: EC2, ECS, Azure and Google Cloud metadata
        "100.100.100.200/32",  # Alibaba Cloud metadata
        "168.63.129.16/32",  # Azure's host
        "192.0.0.192/32",  # Oracle Cloud metadata
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/128",
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
        "fd00:ec2::/32",  # EC2 metadata, EKS credentials
        "fd20:ce::/32",  # Google Cloud metadata
    )
]
_PRIVATE_V4 = [
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
    )
]
# Of IPv6, only what is assigned as global unicast is public.
_PUBLIC_V6 = ip_network("2000::/3")
_PRIVATE_V6 = [
    ip_network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4 contains an IPv4 address
        "3fff::/20",
    )
]
_NAT64 = ip_network("64:ff9b::/96")


class Refused(OSError):
    """A destination must not be reached. Another attempt has the same result."""


class TimedOut(OSError):
    """The time is over."""


def networks(values: Iterable[str]) -> list[Network]:
    """Returns the networks of NOTIFY_ALLOWED_NETWORKS.

    Raises ValueError, with the value, for one that is not a CIDR.
    """
    return [ip_network(value.strip()) for value in values if value.strip()]


def real(address: Address) -> Address:
    """Returns the IPv4 address in an IPv4-mapped or NAT64 address, which is where packets go."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_in(address: Address, among: Iterable[Network]) -> bool:
    """Returns whether the address is in one of the networks."""
    return any(address.version == network.version and address in network for network in among)


def is_public(address: Address) -> bool:
    """Returns whether the address is a host on the internet."""
    if isinstance(address, IPv4Address):
        return not is_in(address, _PRIVATE_V4)
    return address in _PUBLIC_V6 and not is_in(address, _PRIVATE_V6)


def may_connect(
    text: str, port: int, *, allowed: Sequence[Network], is_encrypted: bool = True
) -> bool:
    """Returns whether a destination may have this address, as `socket` writes it, and this port.

    With TLS, an address may be public or in `allowed`, and its port 443 or above 1023. Without,
    only what is in `allowed`, and its port 80 or above 1023. A name is not an address.
    """
    try:
        address = real(ip_address(text))
    except ValueError:
        return False
    if is_in(address, _NEVER) or (port < 1024 and port != (443 if is_encrypted else 80)):
        return False
    return is_in(address, allowed) or (is_encrypted and is_public(address))


def within(seconds: float, work: Callable[[], T]) -> T:
    """Returns the result of `work`, which runs in a thread, or raises its exception.

    Raises TimedOut after `seconds`; then the thread ends by itself, later. For calls that have no
    timeout of their own, to servers of the operator: resolvers and the mail server.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # the waiting thread raises it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    wait([future], max(seconds, 0))
    if not future.done():
        raise TimedOut
    return future.result()


def connect(
    host: str, port: int, *, allowed: Sequence[Network], is_encrypted: bool, deadline: float
) -> socket.socket:
    """Returns a connected socket. `deadline` is a time of `time.monotonic`.

    Resolves the host once, and connects to one of these addresses. Raises Refused if any of them is
    one that `may_connect` denies, TimedOut, and OSError or UnicodeError if the host cannot be
    resolved or reached.
    """
    found = within(
        deadline - time.monotonic(),
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
    )
    for _, _, _, _, place in found:
        if not may_connect(str(place[0]), port, allowed=allowed, is_encrypted=is_encrypted):
            msg = (
                "it has an address or a port that is not allowed."
                if is_encrypted
                else "without TLS, only NOTIFY_ALLOWED_NETWORKS can be reached."
            )
            raise Refused(msg)
    problem: OSError = OSError("The host has no address.")
    for tried, (family, kind, protocol, _, place) in enumerate(found):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left / (len(found) - tried))  # none takes the time of the others
            connection.connect(place)
        except OSError as error:
            connection.close()
            problem = error
        else:
            return connection
    raise problem
