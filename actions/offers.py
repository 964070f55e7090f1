"""What a person can request about an event or an entity, given what is in force now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from actions.models import BUCKET_USE, CONTAINMENTS, Reaction, ReactionKind
from findings.models import Entity, Finding

ALLOW = "ALLOW"  # beside the kinds of actions: an entry of the allowlist


class ActionTarget(NamedTuple):
    """What an action can be requested about: an entity, or what a principal does on a bucket."""

    kind: str  # parser.Kind, or BUCKET_USE
    name: str

    @classmethod
    def of(cls, entity: Entity) -> Self:
        """Returns an entity as a target."""
        return cls(entity.kind, entity.name)


class Offer(NamedTuple):
    """Something that can be requested about a target."""

    what: str  # a ReactionKind, or ALLOW
    target: ActionTarget

    @property
    def label(self) -> str:
        """What it does, for a person."""
        verb = "Allow" if self.what == ALLOW else ReactionKind(self.what).label
        return f"{verb} {self.target.name}"

    @property
    def value(self) -> str:
        """For a form."""
        return ":".join((self.what, *self.target))

    @classmethod
    def of(cls, value: str) -> Self:
        """Returns what `value` has written."""
        what, kind, name = value.split(":", 2)
        return cls(what, ActionTarget(kind, name))


def about(targets: Sequence[ActionTarget]) -> Iterator[Offer]:
    """Yields what can be requested about these targets, given what is in force now."""
    names = [one.name for one in targets]
    rows = Reaction.objects.in_force().filter(target__in=names).undoable()
    standing = set(rows.values_list("kind", "target_kind", "target"))
    for target in targets:
        kinds = [kind for kind, one in CONTAINMENTS.items() if target.kind in one.targets]
        for kind in kinds:
            yield Offer(kind, target)
            undone_by = CONTAINMENTS[kind].undone_by
            if (kind, *target) in standing:
                yield Offer(undone_by, target)
        if kinds:
            yield Offer(ALLOW, target)


def bucket_uses(finding: Finding) -> list[ActionTarget]:
    """Returns what principals do on buckets, by the finding."""
    parsed = finding.parsed
    return [ActionTarget(BUCKET_USE, str(use)) for use in (parsed.bucket_uses if parsed else ())]
