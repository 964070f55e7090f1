"""What the firewall paths have in common: lists outside the database that hold what is blocked.

Several lists can be one place, which has each entry once: if one list is full, the next takes it.
The lists of the worker's own account are changed with its own role, those of other accounts with
the role that deploy/member.yaml creates there.
"""

from __future__ import annotations

import ipaddress
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from actions import entries, fill
from actions.aws.accounts import accounts_of
from actions.aws.outcome import CONFIG, ContainmentError, Difference, Mended, failure
from actions.fill import Level
from findings.guardduty.parser import Kind

TRIES = 5  # if another client changes a list at the same time
_CHANGED_AGAIN = "It was changed again and again at the same time."


class Ref(NamedTuple):
    """A configured list, from its ARN."""

    arn: str
    account_id: str
    region: str
    id: str
    name: str = ""  # of an IP set
    scope: str = ""  # of an IP set: "REGIONAL" or "CLOUDFRONT"

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.id

    @property
    def is_own(self) -> bool:
        """Whether it is in the worker's own account, or no account is known to be that."""
        return settings.AWS_ACCOUNT_ID in {self.account_id, ""}


@dataclass(slots=True)
class Content:
    """What a list has, and what it should have. Addresses are in CIDR notation."""

    ref: Ref
    version: int  # of IP: 4 or 6; 0 for domains
    capacity: int
    present: frozenset[str]
    wanted: set[str]
    token: str  # by which AWS recognizes that the list is still as it was read
    description: str = ""


class ListsFull(ContainmentError):
    """The lists of a path have no room for an entry. The block that ends first makes room."""

    def __init__(self, text: str, *, target_kind: str, version: int) -> None:
        super().__init__(text)
        self.target_kind = target_kind
        self.version = version


class ChangedByOthers(Exception):
    """The list is no longer as it was read. Its cause is AWS's error."""


@dataclass(slots=True)
class Applied:
    """What became of the entries: those that failed, and what the log says about the others."""

    left_out: dict[str, ContainmentError] = field(default_factory=dict)
    said: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: Applied) -> None:
        """Adds what became of them in another place."""
        self.left_out |= other.left_out
        for name, texts in other.said.items():
            self.said[name] += texts


class Lists(ABC):
    """The lists of one setting. Subclasses know how AWS reads and writes them."""

    setting: ClassVar[str]
    service: ClassVar[str]  # of boto3
    kind: ClassVar[Kind]  # of the targets
    plural: ClassVar[str]  # such as "prefix lists"
    more_room: ClassVar[str]  # what to do if they are full
    versions: ClassVar[Sequence[int]] = (4, 6)
    arn: ClassVar[re.Pattern[str]]  # with the groups `account`, `region` and `id`

    @abstractmethod
    def read(self, client: Any, ref: Ref) -> Content:
        """Returns what a list has. Raises ContainmentError, BotoCoreError or ClientError."""

    @abstractmethod
    def write(self, client: Any, content: Content) -> Mapping[str, ContainmentError]:
        """Makes a list have what is wanted. Returns the entries that AWS refuses, with the reasons.

        Raises ChangedByOthers, ContainmentError, BotoCoreError or ClientError.
        """

    def refusal(self, entry: str) -> ContainmentError | None:
        """Returns why AWS never takes this entry, if that is known without asking."""
        return None

    def place(self, ref: Ref) -> Hashable:
        """Returns the place of a list, which has each entry once."""
        return ref.account_id, ref.region, ref.scope

    def configured(self) -> list[Ref]:
        """Returns the lists of the setting. Raises ValueError with the first invalid ARN."""
        return [self._parsed(said.strip()) for said in getattr(settings, self.setting)]

    def _parsed(self, arn: str) -> Ref:
        match = self.arn.fullmatch(arn)
        if match is None:
            raise ValueError(arn)
        said = match.groupdict()
        scope = {"regional": "REGIONAL", "global": "CLOUDFRONT"}.get(said.get("scope", ""), "")
        name = said.get("name", "")
        return Ref(arn, said["account"], said["region"], said["id"], name, scope)

    def apply(
        self, session: boto3.Session, *, blocked: Mapping[str, int], unblocked: Collection[str]
    ) -> Applied:
        """Adds and removes entries in all places. `blocked` has the ID of the action of each."""
        applied = Applied()
        levels: list[Level] = []
        for refs in self._places():
            try:
                client = _client(session, self.service, refs[0])
                applied.add(self._apply_in_a_place(client, refs, blocked, unblocked, levels))
            except ContainmentError as error:
                applied.left_out |= dict.fromkeys([*blocked, *unblocked], error)
            except (BotoCoreError, ClientError) as error:
                applied.left_out |= dict.fromkeys([*blocked, *unblocked], failure(error))
        fill.note(self.setting, levels)
        return applied

    def mend(
        self, session: boto3.Session, compared: Callable[[Collection[str]], Difference]
    ) -> Mended:
        """Makes each place hold what the log says. See `outcome.Mend`."""
        mended = Mended()
        for refs in self._places():
            try:
                client = _client(session, self.service, refs[0])
                problem = self._mend_a_place(client, refs, compared, mended)
            except ContainmentError as error:
                problem = str(error)
            except (BotoCoreError, ClientError) as error:
                problem = str(failure(error))
            if problem:
                mended.problems.append(f"{_told(refs[0])}: {problem}")
        return mended

    def _places(self) -> Iterable[Sequence[Ref]]:
        places = defaultdict(list)
        for ref in self.configured():
            places[self.place(ref)].append(ref)
        return places.values()

    def _apply_in_a_place(
        self, client: Any, refs: Sequence[Ref], blocked: Mapping[str, int],
        unblocked: Collection[str], levels: list[Level],
    ) -> Applied:  # fmt: skip
        """Updates the lists of one place, and appends their levels."""
        for tries_left in reversed(range(TRIES)):
            contents = [self.read(client, ref) for ref in refs]
            applied = Applied(self._plan(contents, blocked, unblocked))
            for content in contents:
                self._remember(content, blocked)
                self._tell_of_others(content, blocked, unblocked, applied)
            try:
                for content in contents:
                    applied.left_out |= self._written(client, content)
            except ChangedByOthers as changed:
                if not tries_left:
                    raise changed.__cause__ or ContainmentError(_CHANGED_AGAIN) from None
            else:
                levels += self._levels(contents)
                return applied
        raise AssertionError("The last try returns or raises.")

    def _mend_a_place(
        self, client: Any, refs: Sequence[Ref],
        compared: Callable[[Collection[str]], Difference], mended: Mended,
    ) -> str:  # fmt: skip
        """Adds to `mended` what it has changed. Returns what it could not do, or ""."""
        refused: Mapping[str, ContainmentError] = {}
        for _ in range(TRIES):
            contents = [self.read(client, ref) for ref in refs]
            difference = compared({self._target(one) for each in contents for one in each.present})
            missing = {
                self._entry(target): pk
                for target, pk in difference.missing.items()
                if self._entry(target) not in refused
            }
            surplus = {self._entry(target) for target in difference.surplus}
            left_out = self._plan(contents, missing, surplus)
            changed = [content for content in contents if content.wanted != content.present]
            if not changed:
                left_out |= refused
                return next((f"{len(left_out)}: {why}" for why in left_out.values()), "")
            # Then compare again: meanwhile, another worker may have logged an action.
            for content in changed:
                self._remember(content, missing)
                try:
                    refused = {**refused, **self._written(client, content)}
                except ChangedByOthers:
                    break
                added = content.wanted - content.present - refused.keys()
                mended.put_back |= set(map(self._target, added))
                mended.taken_out |= set(map(self._target, content.present - content.wanted))
        return _CHANGED_AGAIN

    def _written(self, client: Any, content: Content) -> Mapping[str, ContainmentError]:
        return self.write(client, content) if content.wanted != content.present else {}

    def _plan(
        self, contents: Iterable[Content], blocked: Collection[str], unblocked: Collection[str]
    ) -> dict[str, ContainmentError]:
        """Sets `wanted` of each list. Returns the entries that do not fit, with the reason."""
        refused = {entry: self.refusal(entry) for entry in blocked}
        left_out = {entry: why for entry, why in refused.items() if why}
        for version in self.versions:
            ours = [content for content in contents if content.version == version]
            asked = {entry for entry in blocked if _version(entry, self.kind) == version}
            asked -= left_out.keys()
            missing = sorted(asked.difference(*(content.present for content in ours)))
            for content in ours:
                removed = content.present.intersection(unblocked)
                content.wanted = set(content.present - removed | self._of_others(content, removed))
                room = max(0, content.capacity - len(content.wanted))
                content.wanted.update(missing[:room])
                missing = missing[room:]
            why = self._full(version) if ours else self._none_for(version)
            left_out |= dict.fromkeys(missing, why)
        return left_out

    def _full(self, version: int) -> ListsFull:
        which = f"IPv{version} {self.plural}" if version else self.plural
        return ListsFull(
            f"The {which} of {self.setting} are full. The block that ends first makes room. If no"
            f" block has an end, {self.more_room}.",
            target_kind=self.kind,
            version=version,
        )

    def _none_for(self, version: int) -> ContainmentError:
        return ContainmentError(
            f"None of the {self.plural} of {self.setting} is for IPv{version}. Add one."
        )

    def _remember(self, content: Content, blocked: Mapping[str, int]) -> None:
        """Stores which entries the list has already, and which it will get, before it gets them."""
        added = content.wanted - content.present
        found = content.present.intersection(blocked)
        entries.remember(
            content.ref.arn,
            self.kind,
            added={self._target(entry): blocked[entry] for entry in added},
            found={self._target(entry): blocked[entry] for entry in found},
        )

    def _of_others(self, content: Content, names: Collection[str]) -> set[str]:
        """Returns which of these entries others have put into the list."""
        targets = entries.of_others(content.ref.arn, self.kind, set(map(self._target, names)))
        return set(map(self._entry, targets))

    def _tell_of_others(
        self, content: Content, blocked: Collection[str], unblocked: Collection[str],
        applied: Applied,
    ) -> None:  # fmt: skip
        which = f"the {self.plural.removesuffix('s')} {content.ref.label}"
        stay = content.wanted.intersection(unblocked)
        for entry in stay:
            applied.said[entry].append(
                f"It stays in {which}: others have put it there, so it is still blocked there."
            )
        for entry in self._of_others(content, content.present.intersection(blocked)):
            applied.said[entry].append(
                f"It was in {which} already, so it stays there when the block ends."
            )

    def _levels(self, contents: Sequence[Content]) -> Iterable[Level]:
        for version in self.versions:
            ours = [content for content in contents if content.version == version]
            if ours:
                used = sum(len(content.wanted) for content in ours)
                capacity = sum(content.capacity for content in ours)
                place = _told(ours[0].ref)
                yield Level(self.plural, self.more_room, place, version, used, capacity)

    def _target(self, entry: str) -> str:
        """Returns the target that an entry is about. A range, which is never ours, stays so."""
        if self.kind != Kind.ADDRESS:
            return entry
        network = ipaddress.ip_network(entry)
        is_single = network.prefixlen == network.max_prefixlen
        return str(network.network_address) if is_single else entry

    def _entry(self, target: str) -> str:
        return str(ipaddress.ip_network(target)) if self.kind == Kind.ADDRESS else target


def _version(entry: str, kind: str) -> int:
    if kind != Kind.ADDRESS:
        return 0
    return 6 if ":" in entry else 4


def _told(ref: Ref) -> str:
    """Returns where the list is, for people: a region or CloudFront, and another account."""
    where = "CloudFront" if ref.scope == "CLOUDFRONT" else ref.region
    return where if ref.is_own else f"{where} of {ref.account_id}"


def _client(session: boto3.Session, service: str, ref: Ref) -> Any:
    """Returns a client in the account and region of a list. Raises ContainmentError."""
    if ref.is_own:
        return session.client(service, region_name=ref.region, config=CONFIG)
    try:
        access = accounts_of(session).access(ref.account_id, session_name="lists")
    except ContainmentError as error:
        # Not "prevented": other lists can have the entry already, and it is tried again.
        raise ContainmentError(f"{ref.label}: {error}") from error
    return access.client(service, region=ref.region)
