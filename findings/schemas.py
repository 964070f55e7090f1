"""Request and response schemas of GET and PUT /findings, which validate and document them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import InitErrorDetails

from findings import catalogue
from findings.catalogue import FINDING_TYPE_MAX_LENGTH, FINDING_TYPE_PATTERN, Severity, Source
from findings.models import Action, Target
from findings.policy import Setting

# Models with `use_enum_values` store plain strings, which are hashed and serialized ten times as
# fast.

MAX_POLICIES = 10_000  # ten times the whole catalog at every severity


def _known_service(name: str) -> str:
    name = catalogue.canonical_service(name)
    if name not in catalogue.SERVICES:
        known = ", ".join(sorted(catalogue.SERVICES))
        raise ValueError(f"Unknown service. The known services are {known}.")
    return name


ServiceName = Annotated[
    str,
    AfterValidator(_known_service),
    Field(
        json_schema_extra={"enum": sorted([*catalogue.SERVICES, *catalogue.SERVICE_ALIASES])},
    ),
]


def _of_a_finding_type(text: str) -> str:
    if not catalogue.has_form(text):
        raise ValueError(
            "A finding type has the format ThreatPurpose:Resource/Family,"
            " for example UnauthorizedAccess:EC2/SSHBruteForce."
        )
    return text


FindingTypeName = Annotated[
    str,
    Field(max_length=FINDING_TYPE_MAX_LENGTH, json_schema_extra={"pattern": FINDING_TYPE_PATTERN}),
    AfterValidator(_of_a_finding_type),
]


class PolicySetting(BaseModel):
    """The action for one finding type, or for every type of one service."""

    model_config = ConfigDict(
        extra="forbid",
        use_enum_values=True,
        json_schema_extra={
            "oneOf": [
                {
                    "properties": {"finding_type": {"type": "string"}, "service": {"type": "null"}},
                    "required": ["finding_type"],
                },
                {
                    "properties": {"finding_type": {"type": "null"}, "service": {"type": "string"}},
                    "required": ["service"],
                },
            ]
        },
    )

    service: ServiceName | None = Field(
        None,
        description="Applies to every finding type of this service. Set either this or"
        " finding_type. IAMUser is an alias of IAM.",
    )
    finding_type: FindingTypeName | None = Field(
        None,
        description="A GuardDuty finding type, which need not be in the catalog, or one of our"
        " detectors.",
        examples=["UnauthorizedAccess:EC2/SSHBruteForce"],
    )
    severity: Severity | None = Field(None, description="Null or absent for every severity.")
    action: Action | None = Field(
        description="Null removes the setting, so that a less specific one applies."
        " REVOKE requires a finding type whose findings can name a credential. ASK_BLOCK and"
        " ASK_REVOKE wait on the Actions page until an operator approves them. SIMULATE_BLOCK,"
        " SIMULATE_REVOKE and SIMULATE_SAVE are decided and logged, and never carried out."
    )

    @property
    def target(self) -> Target:
        """The target of the setting, with "" for null."""
        return Target(self.service or "", self.finding_type or "", self.severity or "")


_NEEDS_CREDENTIAL = [action for action in Action if action.in_earnest == Action.REVOKE]
_TEXT_OR_NULL = frozenset({str, type(None)})


def _error(*loc: int | str, detail: str) -> InitErrorDetails:
    return InitErrorDetails(
        type="value_error", loc=loc, input=None, ctx={"error": ValueError(detail)}
    )


def _across_members(policies: list[Any]) -> Iterator[InitErrorDetails]:
    """Yields the errors that span several members of an item, or several items."""
    seen: dict[tuple[str | None, ...], tuple[int, str | None]] = {}
    for index, item in enumerate(policies):
        if not isinstance(item, dict):
            continue
        service, finding_type = item.get("service"), item.get("finding_type")
        severity, action = item.get("severity"), item.get("action")
        if not _TEXT_OR_NULL.issuperset(map(type, (service, finding_type, severity, action))):
            continue
        service = service and catalogue.canonical_service(service)
        if service is None and finding_type is None:
            yield _error(index, detail="Set either service or finding_type.")
            continue
        if service is not None and finding_type is not None:
            yield _error(index, detail="Set either service or finding_type, not both.")
            continue
        if action in _NEEDS_CREDENTIAL and not catalogue.can_revoke(
            service=service or "", finding_type=finding_type or ""
        ):
            yield _error(index, "action", detail="Its findings name no credential to revoke.")
        first, first_action = seen.setdefault((service, finding_type, severity), (index, action))
        if action != first_action:
            yield _error(index, detail=f"/policies/{first} sets another action for it.")


def _check(policies: Any, validate: ValidatorFunctionWrapHandler) -> list[PolicySetting]:
    """Validates the items and the relations between them, and reports all errors at once."""
    errors: list[InitErrorDetails] = []
    settings: list[PolicySetting] = []
    if isinstance(policies, list) and len(policies) > MAX_POLICIES:
        raise ValueError(f"A request can contain at most {MAX_POLICIES} policies.")
    try:
        settings = validate(policies)
    except ValidationError as refused:
        errors += [
            InitErrorDetails(
                type=error["type"], loc=error["loc"], input=None, ctx=error.get("ctx", {})
            )
            for error in refused.errors(include_url=False, include_input=False)
        ]
    if isinstance(policies, list):
        errors += _across_members(policies)
    if errors:
        raise ValidationError.from_exception_data("policies", errors)
    return settings


class PolicyUpdate(BaseModel):
    """The settings to change. Settings that are not listed stay unchanged, unless it replaces."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "policies": [
                        {
                            "finding_type": "UnauthorizedAccess:EC2/SSHBruteForce",
                            "severity": "HIGH",
                            "action": "BLOCK",
                        },
                        {"service": "S3", "action": "SAVE"},
                        {"finding_type": "Recon:EC2/Portscan", "action": None},
                    ]
                }
            ]
        },
    )

    policies: Annotated[
        list[PolicySetting],
        WrapValidator(_check),
        Field(json_schema_extra={"maxItems": MAX_POLICIES}),
    ]
    replace: Annotated[
        bool,
        Field(
            strict=True,
            description="Whether this is the whole policy: settings that are not listed are"
            " removed. Requires If-Match with the ETag of the policy or of a plan.",
        ),
    ] = False

    def settings(self) -> list[Setting]:
        """Returns one setting per target, in the order of the request."""
        actions = {setting.target: setting.action for setting in self.policies}
        return [Setting(target, action or "") for target, action in actions.items()]


def file_schema() -> dict[str, Any]:
    """Returns the JSON Schema of a policy file, whose finding types editors can complete."""
    schema = PolicyUpdate.model_json_schema()
    for_type = schema["$defs"]["PolicySetting"]["properties"]["finding_type"]["anyOf"]
    for_type.insert(0, {"enum": list(catalogue.FINDING_TYPES)})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Threat policy",
    }


class PolicyFilter(BaseModel):
    """Filters for settings. A setting must match all given filters."""

    source: Source | None = Field(None, description="The source of the setting's findings.")
    service: str | None = Field(
        None,
        max_length=FINDING_TYPE_MAX_LENGTH,
        description="Settings of this service and of its finding types.",
        examples=["EC2"],
    )
    finding_type: FindingTypeName | None = Field(
        None, description="Settings of exactly this type, without inherited ones."
    )
    severity: Severity | None = Field(
        None, description="Settings of exactly this severity, without those for every severity."
    )
    action: Action | None = None

    def admits(self, target: Target, action: str) -> bool:
        """Returns whether a setting matches all filters."""
        about = target.service or catalogue.service_of(target.finding_type)
        source = catalogue.source_of(service=target.service, finding_type=target.finding_type)
        return (
            self.source in (None, source)
            and (self.service is None or catalogue.canonical_service(self.service) == about)
            and self.finding_type in (None, target.finding_type)
            and self.severity in (None, target.severity)
            and self.action in (None, action)
        )


class SettingInForce(BaseModel):
    """A policy setting."""

    model_config = ConfigDict(use_enum_values=True)

    service: str | None
    finding_type: str | None
    severity: Severity | None
    action: Action


class PolicyList(BaseModel):
    """The policy settings, in the format that PUT accepts."""

    policies: list[SettingInForce]


class PolicyChangeMade(BaseModel):
    """A setting that this request changed."""

    model_config = ConfigDict(use_enum_values=True)

    service: str | None
    finding_type: str | None
    severity: Severity | None
    from_: Action | None = Field(alias="from", description="Null if it was not set.")
    to: Action | None = Field(description="Null if it was removed.")


class PolicyUpdated(BaseModel):
    """The result of a policy update."""

    changed: list[PolicyChangeMade]
    unchanged: int = Field(description="How many settings already had the requested action.")
    not_in_catalogue: list[str] = Field(
        description="Finding types that are not in the catalog. They were set anyway."
    )
