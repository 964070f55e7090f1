"""How AWS is asked, and how its answers are told: the one interface of the modules beside this.

Each has `carry_out(session, reactions)`, which yields an Outcome for every reaction, whatever AWS
does, and may be called again for the same ones: the second time changes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from actions.models import Reaction

# All tries together end within the lease that execution.py takes.
CONFIG = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
ANSWER_MAX_LENGTH = 1000

# What no later try can mend. Everything else may pass: throttling, an outage, a permission that an
# administrator has yet to give.
_PERMANENT = {
    "InvalidParameter",
    "InvalidParameterValue",
    "MalformedPolicyDocument",
    "NoSuchEntity",
    "UnmodifiableEntity",
    "ValidationError",
}


class ContainmentError(Exception):
    """AWS did not do what it was asked. `permanent`: nor will it, however often it is asked."""

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


class Outcome(NamedTuple):
    reaction: Reaction
    answer: str  # of AWS
    error: ContainmentError | None = None  # None: it is done


class CarryOut(Protocol):
    def __call__(
        self, session: boto3.Session, reactions: Iterable[Reaction]
    ) -> Iterator[Outcome]: ...


def failure(error: BotoCoreError | ClientError) -> ContainmentError:
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        code = said.get("Code", "")
        text = f"{code}: {said.get('Message', '')}"
        return ContainmentError(text[:ANSWER_MAX_LENGTH], permanent=code in _PERMANENT)
    return ContainmentError(f"{type(error).__name__}: {error}"[:ANSWER_MAX_LENGTH])


def one_by_one(
    reactions: Iterable[Reaction], carry_out: Callable[[Reaction], str]
) -> Iterator[Outcome]:
    """The outcome of each, where each is a call of its own; `carry_out` tells AWS's answer."""
    for reaction in reactions:
        try:
            yield Outcome(reaction, carry_out(reaction))
        except ContainmentError as error:
            yield Outcome(reaction, str(error), error)
        except (BotoCoreError, ClientError) as error:
            failed = failure(error)
            yield Outcome(reaction, str(failed), failed)


def region_of(arn: str) -> str:
    """The region in an ARN; IAM's and S3's have none."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 else ""
