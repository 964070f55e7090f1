"""The customer-managed prefix lists of BLOCK_PREFIX_LISTS, to which firewall rules refer.

Those of one region share the addresses.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from actions.aws.lists import ChangedByOthers, Content, Lists, Ref
from actions.aws.outcome import ContainmentError
from findings.guardduty.parser import Kind

AT_ONCE = 100  # entries that AWS adds or removes in one request
POLLS, PAUSE = 20, 0.5  # how often and how many seconds to wait until a list is modified
DESCRIPTION = "Threat Reaction"
_CHANGED_BY_OTHERS = {"PrefixListVersionMismatch", "IncorrectState", "PrefixListMaxEntriesExceeded"}


class PrefixLists(Lists):
    """Customer-managed prefix lists of EC2."""

    setting = "BLOCK_PREFIX_LISTS"
    service = "ec2"
    kind = Kind.ADDRESS
    plural = "prefix lists"
    more_room = "raise their maximum number of entries, or add another list"
    arn = re.compile(
        r"arn:aws[a-z-]*:ec2:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12})"
        r":prefix-list/(?P<id>pl-[0-9a-f]{1,32})",
        re.ASCII,
    )

    def read(self, client: Any, ref: Ref) -> Content:
        about = _settled(client, ref.id)
        pages = client.get_paginator("get_managed_prefix_list_entries").paginate(
            PrefixListId=ref.id, TargetVersion=about["Version"]
        )
        cidrs = (entry["Cidr"] for page in pages for entry in page.get("Entries", ()))
        present = frozenset(str(ipaddress.ip_network(cidr, False)) for cidr in cidrs)
        version = 6 if about["AddressFamily"] == "IPv6" else 4
        token = str(about["Version"])
        return Content(ref, version, about["MaxEntries"], present, set(present), token)

    def write(self, client: Any, content: Content) -> Mapping[str, ContainmentError]:
        """In as many steps as AWS needs. Waits until each has taken effect."""
        added = sorted(content.wanted - content.present)
        removed = sorted(content.present - content.wanted)
        version = int(content.token)
        while added or removed:
            try:
                client.modify_managed_prefix_list(
                    PrefixListId=content.ref.id,
                    CurrentVersion=version,
                    AddEntries=[
                        {"Cidr": one, "Description": DESCRIPTION} for one in added[:AT_ONCE]
                    ],
                    RemoveEntries=[{"Cidr": one} for one in removed[:AT_ONCE]],
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in _CHANGED_BY_OTHERS:
                    raise ChangedByOthers from error
                raise
            added, removed = added[AT_ONCE:], removed[AT_ONCE:]
            about = _settled(client, content.ref.id)
            if about["State"] == "modify-failed":
                raise ContainmentError(
                    f"AWS did not change {content.ref.id}: {about.get('StateMessage', '')}"
                )
            version = about["Version"]
        return {}


def _settled(ec2: Any, prefix_list_id: str) -> Any:
    """Returns the description of the list, once AWS no longer modifies it."""
    for _ in range(POLLS):
        (about,) = ec2.describe_managed_prefix_lists(PrefixListIds=[prefix_list_id])["PrefixLists"]
        if not about["State"].endswith("-in-progress"):
            return about
        time.sleep(PAUSE)
    raise ContainmentError(f"AWS is still modifying {prefix_list_id}.")


LISTS = PrefixLists()
