"""BLOCK and UNBLOCK of addresses in the IP sets of BLOCK_IP_SETS.

The sets of one place (a region, or CloudFront) share the addresses: if one set is full, the next
takes them. Each place has each address once.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from actions import fill
from actions.aws.outcome import CONFIG, ContainmentError, Difference, Mended, failure
from actions.fill import Level

CAPACITY = 10_000  # addresses in one set, AWS's limit
TRIES = 5  # if another client changes a set at the same time

_ARN = re.compile(
    r"arn:aws[a-z-]*:wafv2:(?P<region>[a-z0-9-]+):[0-9]{12}:(?P<scope>regional|global)/ipset/"
    r"(?P<name>[\w-]{1,128})/(?P<id>[\w-]{1,36})",
    re.ASCII,
)


class IPSet(NamedTuple):
    """A WAFv2 IP set, from its ARN."""

    region: str
    scope: str  # "REGIONAL" or "CLOUDFRONT"
    name: str
    id: str


class SetsFull(ContainmentError):
    """The IP sets of this IP version have no room for an address."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"The IPv{version} sets of BLOCK_IP_SETS are full. The block that ends first makes"
            " room. If no block has an end, create another set, and add it to BLOCK_IP_SETS and to"
            " the web ACL."
        )
        self.version = version


@dataclass(slots=True)
class Content:
    """The current addresses of a set, and the addresses that it should have."""

    ip_set: IPSet
    description: str
    lock_token: str
    present: frozenset[str]
    wanted: set[str]


def configured() -> list[IPSet]:
    """Returns the sets of BLOCK_IP_SETS. Raises ValueError with the first invalid ARN."""
    return [_parsed(arn.strip()) for arn in settings.BLOCK_IP_SETS]


def _parsed(arn: str) -> IPSet:
    match = _ARN.fullmatch(arn)
    if match is None:
        raise ValueError(arn)
    scope = "REGIONAL" if match["scope"] == "regional" else "CLOUDFRONT"
    return IPSet(match["region"], scope, match["name"], match["id"])


def apply(
    session: boto3.Session, *, blocked: Collection[str], unblocked: Collection[str]
) -> dict[str, ContainmentError]:
    """Blocks and unblocks CIDRs in all places. Returns those that failed, with the reasons."""
    places = _places()
    left_out: dict[str, ContainmentError] = {}
    levels: list[Level] = []
    for (region, _), ip_sets in places.items():
        waf = session.client("wafv2", region_name=region, config=CONFIG)
        try:
            left_out |= _apply_in_one_place(waf, ip_sets, blocked, unblocked, levels)
        except (BotoCoreError, ClientError) as error:
            left_out |= dict.fromkeys([*blocked, *unblocked], failure(error))
    fill.note(levels)
    return left_out


def _places() -> dict[tuple[str, str], list[IPSet]]:
    places = defaultdict(list)
    for ip_set in configured():
        places[ip_set.region, ip_set.scope].append(ip_set)
    return places


def _apply_in_one_place(
    waf: Any,
    ip_sets: Iterable[IPSet],
    blocked: Collection[str],
    unblocked: Collection[str],
    levels: list[Level],
) -> dict[str, ContainmentError]:
    """Updates the sets of one place, and appends their levels. Returns what did not fit."""
    for tries_left in reversed(range(TRIES)):
        sets: dict[int, list[Content]] = {4: [], 6: []}
        for ip_set in ip_sets:
            version, content = _read(waf, ip_set)
            sets[version].append(content)
        left_out: dict[str, ContainmentError] = {}
        for version, contents in sets.items():
            ours = {cidr for cidr in blocked if _version(cidr) == version}
            left_out |= _plan(contents, ours, unblocked, version)
        try:
            for content in (*sets[4], *sets[6]):
                _write(waf, content)
        except ClientError as error:
            if error.response["Error"]["Code"] != "WAFOptimisticLockException" or not tries_left:
                raise
        else:
            levels += [_level(version, contents) for version, contents in sets.items() if contents]
            return left_out
    raise AssertionError("The last try returns or raises.")


def _plan(
    contents: Iterable[Content], blocked: Collection[str], unblocked: Collection[str], version: int
) -> dict[str, ContainmentError]:
    """Sets `wanted` of each set. Returns the addresses that do not fit, with the reason."""
    contents = list(contents)
    missing = sorted(set(blocked).difference(*(content.present for content in contents)))
    for content in contents:
        content.wanted = set(content.present.difference(unblocked))
        room = max(0, CAPACITY - len(content.wanted))
        content.wanted.update(missing[:room])
        missing = missing[room:]
    return dict.fromkeys(missing, SetsFull(version))


def _level(version: int, contents: Sequence[Content]) -> Level:
    ip_set = contents[0].ip_set
    place = "CloudFront" if ip_set.scope == "CLOUDFRONT" else ip_set.region
    used = sum(len(content.wanted) for content in contents)
    return Level(place, version, used, CAPACITY * len(contents))


def _read(waf: Any, ip_set: IPSet) -> tuple[int, Content]:
    answer = waf.get_ip_set(Name=ip_set.name, Scope=ip_set.scope, Id=ip_set.id)
    found = answer["IPSet"]
    present = frozenset(str(ipaddress.ip_network(cidr, False)) for cidr in found["Addresses"])
    version = 6 if found["IPAddressVersion"] == "IPV6" else 4
    return version, Content(
        ip_set, found.get("Description", ""), answer["LockToken"], present, set(present)
    )


def _write(waf: Any, content: Content) -> None:
    if content.wanted == content.present:
        return
    waf.update_ip_set(
        Name=content.ip_set.name,
        Scope=content.ip_set.scope,
        Id=content.ip_set.id,
        Addresses=sorted(content.wanted),
        LockToken=content.lock_token,
        **({"Description": content.description} if content.description else {}),
    )


def _cidr(address: str) -> str:
    return str(ipaddress.ip_network(address))


def _version(cidr: str) -> int:
    return 6 if ":" in cidr else 4


def mend(session: boto3.Session, compared: Callable[[Collection[str]], Difference]) -> Mended:
    """Makes each place hold what the log says. See `outcome.Mend`."""
    mended = Mended()
    for (region, scope), ip_sets in _places().items():
        waf = session.client("wafv2", region_name=region, config=CONFIG)
        place = "CloudFront" if scope == "CLOUDFRONT" else region
        try:
            problem = _mend_one_place(waf, ip_sets, compared, mended)
        except (BotoCoreError, ClientError) as error:
            problem = str(failure(error))
        if problem:
            mended.problems.append(f"{place}: {problem}")
    return mended


def _mend_one_place(
    waf: Any,
    ip_sets: Iterable[IPSet],
    compared: Callable[[Collection[str]], Difference],
    mended: Mended,
) -> str:
    """Adds to `mended` what it has changed. Returns what it could not do, or ""."""
    for _ in range(TRIES):
        sets: dict[int, list[Content]] = {4: [], 6: []}
        for ip_set in ip_sets:
            version, content = _read(waf, ip_set)
            sets[version].append(content)
        contents = [*sets[4], *sets[6]]
        difference = compared(single_addresses(*(content.present for content in contents)))
        missing = {_cidr(address) for address in difference.missing}
        surplus = {_cidr(address) for address in difference.surplus}
        left_out: dict[str, ContainmentError] = {}
        for version in sets:
            ours = {cidr for cidr in missing if _version(cidr) == version}
            left_out |= _plan(sets[version], ours, surplus, version)
        changed = [content for content in contents if content.wanted != content.present]
        if not changed:
            return next((f"{len(left_out)}: {why}" for why in left_out.values()), "")
        # Then compare again: meanwhile, another worker may have logged an action for an address.
        for content in changed:
            try:
                _write(waf, content)
            except ClientError as error:
                if error.response["Error"]["Code"] != "WAFOptimisticLockException":
                    raise
                break  # it was changed after it was read
            mended.put_back |= single_addresses(content.wanted - content.present)
            mended.taken_out |= single_addresses(content.present - content.wanted)
    return "It was changed again and again at the same time."


def single_addresses(*cidrs: Collection[str]) -> set[str]:
    """Returns the single addresses, as in the log. Ranges, which are never ours, are left out."""
    networks = (ipaddress.ip_network(cidr) for some in cidrs for cidr in some)
    return {str(one.network_address) for one in networks if one.prefixlen == one.max_prefixlen}
