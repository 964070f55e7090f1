"""The interface of the modules in this package, which carry out actions on AWS.

Each has `carry_out(session, reactions)`, which yields an Outcome for every reaction, also if AWS
fails. It is idempotent: calling it again for the same reactions changes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from actions.models import Reaction

# All retries together end within the lease that execution.py takes.
CONFIG = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
ANSWER_MAX_LENGTH = 1000

# Errors that retries cannot fix. All others can be temporary: throttling, an outage, a permission
# that an administrator has yet to grant.
_PERMANENT = {
    "BadRequestException",
    "InvalidGroup.NotFound",
    "InvalidInstanceID.Malformed",
    "InvalidInstanceID.NotFound",
    "InvalidParameter",
    "InvalidParameterValue",
    "MalformedPolicy",
    "MalformedPolicyDocument",
    "NoSuchBucket",
    "NoSuchEntity",
    "ResourceNotFoundException",
    "UnmodifiableEntity",
    "ValidationError",
}


class ContainmentError(Exception):
    """An action failed on AWS. `permanent` means that a retry cannot succeed.

    `prevented` means that nothing was attempted, because something is not set up.
    """

    def __init__(self, text: str, *, permanent: bool = False, prevented: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent or prevented
        self.prevented = prevented


class Outcome(NamedTuple):
    """The result of one attempt at a reaction."""

    reaction: Reaction
    answer: str  # from AWS, for the log
    error: ContainmentError | None = None  # None if it succeeded


class CarryOut(Protocol):
    """The type of `carry_out`."""

    def __call__(
        self, session: boto3.Session, reactions: Iterable[Reaction]
    ) -> Iterator[Outcome]: ...


class Difference(NamedTuple):
    """What a path holds, compared with the log: the targets of actions."""

    missing: Mapping[str, int]  # each with the ID of its block
    surplus: Collection[str]


@dataclass
class Mended:
    """What `mend` of a path has changed: the targets of actions."""

    put_back: set[str] = field(default_factory=set)
    taken_out: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)  # what could not be read or changed


class Mend(Protocol):
    """The type of `mend` of a firewall path, which `reconcile.py` calls.

    It reads what the path holds, then asks `compared` with these targets for the difference, then
    changes the path only if it is still as it was read. In this order, no other worker can change
    log and path unnoticed. It returns errors of AWS as problems.
    """

    def __call__(
        self, session: boto3.Session, compared: Callable[[Collection[str]], Difference]
    ) -> Mended: ...


def failure(error: BotoCoreError | ClientError) -> ContainmentError:
    """Converts an error from boto3, cut to ANSWER_MAX_LENGTH characters."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        code = said.get("Code", "")
        text = f"{code}: {said.get('Message', '')}"
        return ContainmentError(text[:ANSWER_MAX_LENGTH], permanent=code in _PERMANENT)
    return ContainmentError(f"{type(error).__name__}: {error}"[:ANSWER_MAX_LENGTH])


def one_by_one(
    reactions: Iterable[Reaction], carry_out: Callable[[Reaction], str]
) -> Iterator[Outcome]:
    """Yields the outcome of each reaction, calling `carry_out` for one at a time.

    `carry_out` returns AWS's answer. Its ContainmentError and boto3 errors become outcomes.
    """
    for reaction in reactions:
        try:
            yield Outcome(reaction, carry_out(reaction))
        except ContainmentError as error:
            yield Outcome(reaction, str(error), error)
        except (BotoCoreError, ClientError) as error:
            failed = failure(error)
            yield Outcome(reaction, str(failed), failed)


def region_of(arn: str) -> str:
    """Returns the region in an ARN; "" if it has none, as for IAM and S3."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 else ""
