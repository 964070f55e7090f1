"""The IP sets of BLOCK_IP_SETS. Those of one region, or of CloudFront, share the addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from actions.aws.lists import ChangedByOthers, Content, Lists, Ref
from actions.aws.outcome import ContainmentError
from findings.guardduty.parser import Kind

CAPACITY = 10_000  # addresses in one set, AWS's limit


class IPSets(Lists):
    """WAFv2 IP sets."""

    setting = "BLOCK_IP_SETS"
    service = "wafv2"
    kind = Kind.ADDRESS
    plural = "IP sets"
    more_room = "create another set, and add it to BLOCK_IP_SETS and to the web ACL"
    arn = re.compile(
        r"arn:aws[a-z-]*:wafv2:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12})"
        r":(?P<scope>regional|global)/ipset/(?P<name>[\w-]{1,128})/(?P<id>[\w-]{1,36})",
        re.ASCII,
    )

    def read(self, client: Any, ref: Ref) -> Content:
        answer = client.get_ip_set(Name=ref.name, Scope=ref.scope, Id=ref.id)
        found = answer["IPSet"]
        present = frozenset(str(ipaddress.ip_network(cidr, False)) for cidr in found["Addresses"])
        version = 6 if found["IPAddressVersion"] == "IPV6" else 4
        token, description = answer["LockToken"], found.get("Description", "")
        return Content(ref, version, CAPACITY, present, set(present), token, description)

    def write(self, client: Any, content: Content) -> Mapping[str, ContainmentError]:
        try:
            client.update_ip_set(
                Name=content.ref.name,
                Scope=content.ref.scope,
                Id=content.ref.id,
                Addresses=sorted(content.wanted),
                LockToken=content.token,
                **({"Description": content.description} if content.description else {}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "WAFOptimisticLockException":
                raise ChangedByOthers from error
            raise
        return {}


LISTS = IPSets()
