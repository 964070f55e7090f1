"""BLOCK and UNBLOCK: addresses in IP sets and prefix lists, domains in domain lists."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import boto3

from actions import paths
from actions.aws import domain_lists, prefix_lists, wafv2
from actions.aws.lists import Lists
from actions.aws.outcome import ContainmentError, Outcome
from actions.models import Reaction, ReactionKind
from findings.guardduty.parser import Kind

_LISTS: Mapping[paths.Path, Lists] = {
    paths.IP_SETS: wafv2.LISTS,
    paths.PREFIX_LISTS: prefix_lists.LISTS,
    paths.DOMAIN_LISTS: domain_lists.LISTS,
}


def carry_out(session: boto3.Session, reactions: Iterable[Reaction]) -> Iterator[Outcome]:
    """Blocks and unblocks the targets with one update per list, and yields the outcomes in order.

    The last reaction for a target decides. A block is done when every path that is set up for its
    kind of target has it.
    """
    reactions = list(reactions)
    left_out: dict[tuple[str, str], ContainmentError] = {}
    said: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for kind in (Kind.ADDRESS, Kind.DOMAIN):
        last = {_name(one): one for one in reactions if one.target_kind == kind}
        blocked = {name: one.pk for name, one in last.items() if one.kind == ReactionKind.BLOCK}
        used = [path for path in paths.PATHS if path.kind == kind and path.is_set_up]
        if not used:
            error = ContainmentError(paths.none_for(kind), prevented=True)
            left_out |= {(kind, name): error for name in last}
        for path in used if last else ():
            unblocked = last.keys() - blocked.keys()
            applied = _LISTS[path].apply(session, blocked=blocked, unblocked=unblocked)
            for name, error in applied.left_out.items():
                left_out.setdefault((kind, name), error)
            for name, texts in applied.said.items():
                said[kind, name] += texts
    for reaction in reactions:
        which = reaction.target_kind, _name(reaction)
        error_or_none = left_out.get(which)
        answer = str(error_or_none) if error_or_none else _done(reaction, said[which])
        yield Outcome(reaction, answer, error_or_none)


def _name(reaction: Reaction) -> str:
    if reaction.target_kind == Kind.ADDRESS:
        return str(ipaddress.ip_network(reaction.target))
    return reaction.target


def _done(reaction: Reaction, said: Sequence[str]) -> str:
    ours = [path for path in paths.PATHS if path.kind == reaction.target_kind]
    used = [path for path in ours if path.is_set_up]
    if reaction.kind == ReactionKind.UNBLOCK:
        return " ".join([f"Removed from: {', '.join(path.name for path in used)}.", *said])
    effects = [f"Added to {path.name}: {path.effect}" for path in used]
    unused = [
        f"Not used: {path.name}; {path.setting} is not set." for path in ours if path not in used
    ]
    return " ".join([*effects, *said, *unused])
