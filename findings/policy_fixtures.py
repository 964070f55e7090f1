"""Tests of a policy: findings with the action that must apply to them, from a YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from findings import plan, policy
from findings.catalogue import Severity
from findings.guardduty.files import read_findings
from findings.ingest import judged
from findings.models import Action
from findings.policy import Policy
from findings.policy_file import InvalidFile, document, errors_of
from findings.schemas import FindingTypeName


class Fixture(BaseModel):
    """One test: a finding, or a finding type and a severity, and the action to expect."""

    model_config = ConfigDict(extra="forbid", use_enum_values=True)

    name: str = Field("", max_length=200)
    finding: str | None = Field(None, description="A file with findings, beside the fixtures.")
    finding_type: FindingTypeName | None = None
    severity: Severity | None = None
    expect: Action

    @model_validator(mode="after")
    def _names_one_finding(self) -> Self:
        if (self.finding is None) == (self.finding_type is None):
            raise ValueError("Set either finding or finding_type.")
        if self.finding is not None and self.severity is not None:
            raise ValueError("The finding has a severity. Remove this one.")
        return self

    @property
    def title(self) -> str:
        """The name, or what it is about."""
        about = (self.finding, self.finding_type, self.severity)
        return self.name or ", ".join(filter(None, about))


class Fixtures(BaseModel):
    """A file of tests."""

    model_config = ConfigDict(extra="forbid")

    against: str | None = Field(
        None, pattern=r"^[^\x00]+$", description="A policy file; by default, the stored policy."
    )
    tests: list[Fixture] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a test. `problem` is "" if it passed."""

    title: str
    action: str
    problem: str = ""


def load(text: bytes, *, name: str) -> Fixtures:
    """Reads a file of tests. `name` is that of the file, for the errors. Raises InvalidFile."""
    found = document(text, name=name)
    try:
        return Fixtures.model_validate(found.content)
    except ValidationError as error:
        raise InvalidFile(errors_of(found, error, name=name)) from None


def run(fixtures: Fixtures, settings: Policy, *, folder: Path) -> Iterator[Result]:
    """Yields the result of each test. `folder` is that of the file of tests."""
    for fixture in fixtures.tests:
        try:
            asked = list(_asked(fixture, folder))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            yield Result(fixture.title, "", f"{fixture.finding} cannot be read: {reason}")
            continue
        for finding_type, severity in asked:
            applies = policy.resolve(settings, finding_type=finding_type, severity=severity)
            problem = ""
            if applies.action != fixture.expect:
                problem = (
                    f"expected {fixture.expect}, but {applies.action} applies."
                    f" {plan.why(applies.set_at)}"
                )
            yield Result(fixture.title, applies.action, problem)


def _asked(fixture: Fixture, folder: Path) -> Iterator[tuple[str, str]]:
    """Yields the finding types and severities of a test. Raises OSError, or ValueError."""
    if fixture.finding is None:
        yield fixture.finding_type or "", fixture.severity or ""
        return
    is_empty = True
    with (folder / fixture.finding).open("rb") as stream:
        for found in read_findings(stream):
            is_empty = False
            new = judged(found.finding, {}, timezone.now())
            if new.parsed is None:
                raise ValueError(f"{found.place}: {new.finding.problem}")
            yield new.finding.finding_type, new.finding.severity
    if is_empty:
        raise ValueError("It contains no finding.")
