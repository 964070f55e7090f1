"""The bodies of GET and PUT /notifications."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from findings.catalogue import Severity
from notifications.destination_settings import (
    DESTINATIONS_MAX,
    PER_HOUR_MAX,
    DestinationSettings,
)
from notifications.destinations.contract import SETTING_LENGTH
from notifications.models import NAME_MAX_LENGTH, Detail, Trigger, When
from notifications.rule_settings import (
    PATTERN_MAX_LENGTH,
    PATTERNS_MAX,
    RULES_MAX,
    RuleSettings,
)

_TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
TimeOfDay = Annotated[str, Field(pattern=_TIME, examples=["22:00"])]
Patterns = Annotated[
    list[Annotated[str, Field(max_length=PATTERN_MAX_LENGTH)]],
    Field(max_length=PATTERNS_MAX),
]
Name = Annotated[str, Field(max_length=NAME_MAX_LENGTH)]


class RuleSetting(BaseModel):
    """A rule to add, change or remove."""

    model_config = ConfigDict(extra="forbid", use_enum_values=True)

    name: Name
    present: bool = Field(True, description="false removes the rule.")
    enabled: bool = True
    trigger: Trigger = Trigger.FINDING
    severity: Severity | None = Field(None, description="This severity or a higher one.")
    types: Patterns = Field([], description="Finding types; * stands for any text.")
    accounts: Patterns = Field([], description="AWS accounts; * stands for any text.")
    entities: Patterns = Field([], description="Names of entities; * stands for any text.")
    tags: Patterns = Field([], description="Tags of resources, as key=value or key.")
    destinations: list[Name] = Field(
        [], max_length=DESTINATIONS_MAX, description="The names of destinations."
    )
    when: When = When.NOW
    daily_at: TimeOfDay = Field("08:00", description="When the daily digest is sent.")
    quiet_from: TimeOfDay | None = None
    quiet_to: TimeOfDay | None = None
    time_zone: str = Field("UTC", max_length=64, examples=["Europe/Berlin"])
    detail: Detail = Detail.FULL
    each: bool = Field(
        False, description="One message for each new finding: repeats are not held or grouped."
    )

    def settings(self) -> RuleSettings | None:
        """Returns the settings; None if the rule is to be removed."""
        if not self.present:
            return None
        return RuleSettings(
            trigger=str(self.trigger),
            destinations=self.destinations,
            enabled=self.enabled,
            severity=str(self.severity or ""),
            types=self.types,
            accounts=self.accounts,
            entities=self.entities,
            tags=self.tags,
            when=str(self.when),
            daily_at=time.fromisoformat(self.daily_at),
            quiet_from=time.fromisoformat(self.quiet_from) if self.quiet_from else None,
            quiet_to=time.fromisoformat(self.quiet_to) if self.quiet_to else None,
            time_zone=self.time_zone,
            detail=str(self.detail),
            each=self.each,
        )


class DestinationSetting(BaseModel):
    """A destination to add, change or remove."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    present: bool = Field(True, description="false removes the destination.")
    kind: str = Field("webhook", max_length=16, description="It cannot change.")
    settings: dict[str, Annotated[str, Field(max_length=SETTING_LENGTH)]] = Field(
        {},
        max_length=20,
        description="A secret that is absent, or masked as GET shows it, stays as it is. A webhook"
        " without a secret gets one.",
    )
    per_hour: int = Field(
        60,
        ge=0,
        le=PER_HOUR_MAX,
        description="Messages an hour; the rest is summed up in one message. 0 for no limit.",
    )

    def wanted(self) -> DestinationSettings | None:
        """Returns the settings; None if the destination is to be removed."""
        if not self.present:
            return None
        return DestinationSettings(self.kind, self.settings, self.per_hour)


class NotificationsUpdate(BaseModel):
    """The rules and destinations to set. Those that are not listed stay unchanged."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "destinations": [
                        {
                            "name": "SOC",
                            "kind": "webhook",
                            "settings": {"url": "https://soc.example.com/hook"},
                        }
                    ],
                    "rules": [
                        {
                            "name": "High findings",
                            "trigger": "finding",
                            "severity": "HIGH",
                            "destinations": ["SOC"],
                        }
                    ],
                }
            ]
        },
    )

    rules: list[RuleSetting] = Field([], max_length=RULES_MAX)
    destinations: list[DestinationSetting] = Field([], max_length=DESTINATIONS_MAX)

    @field_validator("rules", "destinations")
    @classmethod
    def _each_once(cls, some: list[Any]) -> list[Any]:
        if len({one.name for one in some}) < len(some):
            raise ValueError("A name is listed twice.")
        return some


class RuleState(BaseModel):
    """A rule."""

    model_config = ConfigDict(use_enum_values=True)

    name: str
    enabled: bool
    trigger: Trigger
    severity: Severity | None
    types: list[str]
    accounts: list[str]
    entities: list[str]
    tags: list[str]
    destinations: list[str]
    when: When
    daily_at: str
    quiet_from: str | None
    quiet_to: str | None
    time_zone: str
    detail: Detail
    each: bool


class DestinationState(BaseModel):
    """A destination, and whether messages arrive."""

    name: str
    kind: str
    settings: dict[str, str] = Field(description="Secrets are masked.")
    per_hour: int
    last_success_at: datetime | None
    failing_since: datetime | None = Field(description="Null if the last message arrived.")
    last_error: str = Field(description="Empty if there was none.")
    last_error_at: datetime | None


class Notifications(BaseModel):
    """All rules and destinations, by name."""

    rules: list[RuleState]
    destinations: list[DestinationState]


class NotificationsUpdated(BaseModel):
    """The result of an update."""

    changed_rules: list[str]
    changed_destinations: list[str]
    secrets: dict[str, str] = Field(
        description="The new secrets of webhooks, by destination. They are not shown again."
    )
