"""Response schemas of POST /findings/plan, GET /findings/effective and GET /catalogue."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from findings.catalogue import Severity, Source
from findings.models import Action
from findings.schemas import FindingTypeName, PolicyChangeMade, ServiceName


class PlanEffect(BaseModel):
    """What the change would have done to the findings of the last 30 days that are stored."""

    days: int
    findings: int = Field(description="All findings of these days.")
    gained: dict[str, int] = Field(
        description="By action, how many findings would have had it that had another.",
        examples=[{"BLOCK": 7}],
    )
    lost: dict[str, int] = Field(
        description="By action, how many findings had it that would have had another.",
        examples=[{"REPORT": 7}],
    )
    addresses: list[str] = Field(
        description="Addresses that would newly have been blocked, those with the most findings"
        " first; at most 20."
    )
    is_partial: bool = Field(
        description="Whether findings are missing, because they were ignored and not stored."
    )


class PolicyPlan(BaseModel):
    """What a change of the policy would do. Nothing was changed."""

    changed: list[PolicyChangeMade] = Field(description="The settings that would change.")
    unchanged: int = Field(description="How many settings already have the requested action.")
    not_in_catalogue: list[str] = Field(description="Finding types that are not in the catalog.")
    etag: str = Field(
        description="The version of the policy that was compared, as in the header ETag. Send it as"
        " If-Match with the PUT, so that exactly this plan is applied.",
        examples=['"5d41402abc4b2a76b9719d911017c592"'],
    )
    effect: PlanEffect
    text: str = Field(description="The plan for people, as `manage.py policy plan` prints it.")


class RuleAsked(BaseModel):
    """A target whose setting can apply, in the order of precedence."""

    model_config = ConfigDict(use_enum_values=True)

    service: str | None
    finding_type: str | None
    severity: Severity | None
    action: Action | None = Field(description="Null if it is not set.")
    applies: bool


class EffectiveAction(BaseModel):
    """The action that applies, and why."""

    model_config = ConfigDict(use_enum_values=True)

    action: Action
    why: str = Field(examples=["The rule for EC2, HIGH is the most specific one."])
    asks: bool = Field(description="Whether it waits for an approval.")
    simulates: bool = Field(description="Whether it is logged only, and never carried out.")
    rules: list[RuleAsked] = Field(
        description="From the most to the least specific. The first with an action applies; if none"
        " has one, the default, REPORT, applies."
    )


class EffectiveQuery(BaseModel):
    """The finding that an action is asked for: a finding type, or any of a service."""

    finding_type: FindingTypeName | None = Field(
        None, description="Set either this or service.", examples=["Recon:EC2/Portscan"]
    )
    service: ServiceName | None = Field(
        None, description="Only the settings of this service are considered."
    )
    severity: Severity | None = Field(
        None, description="Without it, settings for a single severity are not considered."
    )


class CatalogueType(BaseModel):
    """A finding type of the catalog."""

    model_config = ConfigDict(use_enum_values=True)

    finding_type: str
    service: str
    source: Source
    severities: list[Severity] = Field(description="The severities that its findings can have.")
    tactic: str | None = Field(description="The ATT&CK tactic; null if it has none.")
    can_revoke: bool = Field(description="Whether its findings can name a credential to revoke.")
    detected_by: str | None = Field(
        description="The AWS data source that must be enabled, or ThreatReaction for our own"
        " detectors; null if nothing detects it yet.",
        examples=["VPC flow logs"],
    )


class Catalogue(BaseModel):
    """The finding types that this version knows. The policy accepts others too."""

    finding_types: list[CatalogueType]
