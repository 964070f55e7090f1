"""BLOCK and UNBLOCK of addresses in the customer-managed prefix lists of BLOCK_PREFIX_LISTS.

Firewall rules refer to them. The lists of one region share the addresses: if one is full, the next
takes them. Each region has each address once.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from actions.aws.outcome import CONFIG, ContainmentError, Difference, Mended, failure
from actions.aws.wafv2 import single_addresses

TRIES = 5  # if another client changes a list at the same time
AT_ONCE = 100  # entries that AWS adds or removes in one request
POLLS, PAUSE = 20, 0.5  # how often and how many seconds to wait until a list is modified
DESCRIPTION = "Threat Reaction"

_ARN = re.compile(
    r"arn:aws[a-z-]*:ec2:(?P<region>[a-z0-9-]+):[0-9]{12}:prefix-list/(?P<id>pl-[0-9a-f]{1,32})",
    re.ASCII,
)
_CHANGED_BY_OTHERS = {"PrefixListVersionMismatch", "IncorrectState", "PrefixListMaxEntriesExceeded"}


class PrefixList(NamedTuple):
    """A prefix list, from its ARN."""

    region: str
    id: str


@dataclass(slots=True)
class Content:
    """What a list has, and what it should have."""

    prefix_list_id: str
    family: int  # 4 or 6
    version: int
    limit: int  # its maximum number of entries
    present: frozenset[str]
    wanted: set[str]


def configured() -> list[PrefixList]:
    """Returns the lists of BLOCK_PREFIX_LISTS. Raises ValueError with the first invalid ARN."""
    found = []
    for arn in settings.BLOCK_PREFIX_LISTS:
        match = _ARN.fullmatch(arn.strip())
        if match is None:
            raise ValueError(arn)
        found.append(PrefixList(match["region"], match["id"]))
    return found


def apply(
    session: boto3.Session, *, blocked: Collection[str], unblocked: Collection[str]
) -> dict[str, ContainmentError]:
    """Blocks and unblocks CIDRs in all regions. Returns those that failed, with the reasons."""
    left_out: dict[str, ContainmentError] = {}
    for region, ids in _regions().items():
        ec2 = session.client("ec2", region_name=region, config=CONFIG)
        try:
            left_out |= _apply_in_a_region(ec2, ids, blocked, unblocked)
        except ContainmentError as error:
            left_out |= dict.fromkeys([*blocked, *unblocked], error)
        except (BotoCoreError, ClientError) as error:
            left_out |= dict.fromkeys([*blocked, *unblocked], failure(error))
    return left_out


def mend(session: boto3.Session, compared: Callable[[Collection[str]], Difference]) -> Mended:
    """Makes each region hold what the log says. See `outcome.Mend`."""
    mended = Mended()
    for region, ids in _regions().items():
        ec2 = session.client("ec2", region_name=region, config=CONFIG)
        try:
            problem = _mend_a_region(ec2, ids, compared, mended)
        except ContainmentError as error:
            problem = str(error)
        except (BotoCoreError, ClientError) as error:
            problem = str(failure(error))
        if problem:
            mended.problems.append(f"{region}: {problem}")
    return mended


def _mend_a_region(
    ec2: Any,
    ids: Collection[str],
    compared: Callable[[Collection[str]], Difference],
    mended: Mended,
) -> str:
    """Adds to `mended` what it has changed. Returns what it could not do, or ""."""
    for _ in range(TRIES):
        contents = [_read(ec2, one) for one in ids]
        difference = compared(single_addresses(*(content.present for content in contents)))
        missing, surplus = map(_cidrs, difference)
        left_out = _plan_both(contents, missing, surplus)
        changed = [content for content in contents if content.wanted != content.present]
        if not changed:
            return next((f"{len(left_out)}: {why}" for why in left_out.values()), "")
        # Then compare again: meanwhile, another worker may have logged an action for an address.
        for content in changed:
            try:
                _write(ec2, content)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _CHANGED_BY_OTHERS:
                    raise
                break  # it was changed after it was read
            mended.put_back |= single_addresses(content.wanted - content.present)
            mended.taken_out |= single_addresses(content.present - content.wanted)
    return "It was changed again and again at the same time."


def _cidrs(addresses: Iterable[str]) -> set[str]:
    return {str(ipaddress.ip_network(address)) for address in addresses}


def _regions() -> dict[str, list[str]]:
    regions = defaultdict(list)
    for prefix_list in configured():
        regions[prefix_list.region].append(prefix_list.id)
    return regions


def _apply_in_a_region(
    ec2: Any, ids: Collection[str], blocked: Collection[str], unblocked: Collection[str]
) -> dict[str, ContainmentError]:
    for tries_left in reversed(range(TRIES)):
        contents = [_read(ec2, one) for one in ids]
        left_out = _plan_both(contents, blocked, unblocked)
        try:
            for content in contents:
                _write(ec2, content)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _CHANGED_BY_OTHERS or not tries_left:
                raise
        else:
            return left_out
    raise AssertionError("The last try returns or raises.")


def _plan_both(
    contents: Collection[Content], blocked: Collection[str], unblocked: Collection[str]
) -> dict[str, ContainmentError]:
    left_out: dict[str, ContainmentError] = {}
    for family in (4, 6):
        ours = {cidr for cidr in blocked if ipaddress.ip_network(cidr).version == family}
        left_out |= _plan([one for one in contents if one.family == family], ours, unblocked)
    return left_out


def _plan(
    contents: Iterable[Content], blocked: Collection[str], unblocked: Collection[str]
) -> dict[str, ContainmentError]:
    """Sets `wanted` of each list. Returns the addresses that do not fit, with the reason."""
    contents = list(contents)
    missing = sorted(set(blocked).difference(*(content.present for content in contents)))
    for content in contents:
        content.wanted = set(content.present.difference(unblocked))
        room = max(0, content.limit - len(content.wanted))
        content.wanted.update(missing[:room])
        missing = missing[room:]
    full = ContainmentError(
        "The prefix lists of BLOCK_PREFIX_LISTS are full, or none is for this IP version. Raise"
        " their maximum number of entries, or add another list."
    )
    return dict.fromkeys(missing, full)


def _read(ec2: Any, prefix_list_id: str) -> Content:
    about = _settled(ec2, prefix_list_id)
    pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(
        PrefixListId=prefix_list_id, TargetVersion=about["Version"]
    )
    cidrs = (entry["Cidr"] for page in pages for entry in page.get("Entries", ()))
    present = frozenset(str(ipaddress.ip_network(cidr, False)) for cidr in cidrs)
    family = 6 if about["AddressFamily"] == "IPv6" else 4
    return Content(
        prefix_list_id, family, about["Version"], about["MaxEntries"], present, set(present)
    )


def _write(ec2: Any, content: Content) -> None:
    """Changes the list in as many steps as AWS needs, and waits until each has taken effect."""
    added = sorted(content.wanted - content.present)
    removed = sorted(content.present - content.wanted)
    version = content.version
    while added or removed:
        ec2.modify_managed_prefix_list(
            PrefixListId=content.prefix_list_id,
            CurrentVersion=version,
            AddEntries=[{"Cidr": one, "Description": DESCRIPTION} for one in added[:AT_ONCE]],
            RemoveEntries=[{"Cidr": one} for one in removed[:AT_ONCE]],
        )
        added, removed = added[AT_ONCE:], removed[AT_ONCE:]
        about = _settled(ec2, content.prefix_list_id)
        if about["State"] == "modify-failed":
            raise ContainmentError(
                f"AWS did not change {content.prefix_list_id}: {about.get('StateMessage', '')}"
            )
        version = about["Version"]


def _settled(ec2: Any, prefix_list_id: str) -> Any:
    """Returns the description of the list, once AWS no longer modifies it."""
    for _ in range(POLLS):
        (about,) = ec2.describe_managed_prefix_lists(PrefixListIds=[prefix_list_id])["PrefixLists"]
        if not about["State"].endswith("-in-progress"):
            return about
        time.sleep(PAUSE)
    raise ContainmentError(f"AWS is still modifying {prefix_list_id}.")
