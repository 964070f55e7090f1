"""GET and PUT /buckets. threatreaction/api.py handles the errors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.errors import ValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from accounts.api_auth import Caller, callers_who
from detectors import buckets, overview
from detectors.buckets import BucketSettings, TooMany
from detectors.models import Sensitivity
from problems import etags
from problems.schemas import Problem

router = Router(tags=["Buckets"])

_ETAG = etags.header("the settings of all registered buckets")

Floor = Annotated[int | None, Field(ge=1, le=buckets.FLOOR_MAX)]


class Floors(BaseModel):
    """The amounts in an hour under which no volume of an actor raises a finding."""

    model_config = ConfigDict(extra="forbid")

    read: Floor = None
    read_bytes: Floor = None
    write: Floor = None
    delete: Floor = None
    list: Floor = None


class BucketSetting(BaseModel):
    """A bucket to register, change or remove."""

    model_config = ConfigDict(extra="forbid", use_enum_values=True)

    name: str = Field(max_length=63)
    registered: bool = Field(True, description="false removes the bucket and its sums.")
    sensitivity: Sensitivity = Sensitivity.NORMAL
    is_canary: bool = Field(False, description="Nobody uses it, so every use is a finding.")
    allowed: list[Annotated[str, Field(max_length=buckets.PATTERN_MAX_LENGTH)]] = Field(
        [],
        max_length=buckets.PATTERNS_MAX,
        description='Who raises no finding: the ARN of a principal, "service NAME" or'
        ' "tag KEY=VALUE"; * stands for any text, but not in a tag.',
    )
    canary_keys: list[Annotated[str, Field(max_length=buckets.KEY_MAX_LENGTH)]] = Field(
        [],
        max_length=buckets.PATTERNS_MAX,
        description="Keys that nobody uses, so every use is a finding; * at the end stands for any"
        " text.",
    )
    floors: Floors = Field(Floors(), description="Null for those of the sensitivity.")

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if problem := buckets.problem_of_name(name):
            raise ValueError(problem)
        return name

    @field_validator("allowed", "canary_keys")
    @classmethod
    def _lines(cls, lines: list[str], of: ValidationInfo) -> list[str]:
        if any(len(one.splitlines()) > 1 for one in lines):
            raise ValueError("A pattern or key has one line.")
        is_allowed = of.field_name == "allowed"
        problem_of = buckets.problem_of_allowed if is_allowed else buckets.problem_of_canary_keys
        if problem := problem_of(buckets.normalized(lines)):
            raise ValueError(problem)
        return lines

    def settings(self) -> BucketSettings | None:
        """Returns the settings; None if the bucket is to be removed."""
        if not self.registered:
            return None
        allowed = buckets.normalized(self.allowed)
        return BucketSettings(
            str(self.sensitivity),
            self.is_canary,
            allowed,
            buckets.normalized(self.canary_keys),
            self.floors.model_dump(exclude_none=True) or None,
        )


class BucketsUpdate(BaseModel):
    """The buckets to set. Buckets that are not listed stay unchanged."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"buckets": [{"name": "invoices", "sensitivity": "HIGH"}]}]
        },
    )

    buckets: list[BucketSetting] = Field(max_length=buckets.BUCKETS_MAX)

    @field_validator("buckets")
    @classmethod
    def _buckets(cls, some: list[BucketSetting]) -> list[BucketSetting]:
        if len({one.name for one in some}) < len(some):
            raise ValueError("A bucket is listed twice.")
        return some


class BucketState(BaseModel):
    """A registered bucket."""

    model_config = ConfigDict(use_enum_values=True)

    name: str
    sensitivity: Sensitivity
    is_canary: bool
    allowed: list[str]
    canary_keys: list[str]
    floors: Floors
    state: str = Field(description='"Waiting for events", "Learning" or "Watching".')
    registered_at: datetime
    last_event_at: datetime | None
    last_finding: str | None = Field(description="The ID of the finding.")
    late: int = Field(description="Records that were not counted: they came over a day late.")


class BucketList(BaseModel):
    """The registered buckets, by name."""

    buckets: list[BucketState]


class BucketsUpdated(BaseModel):
    """The result of an update."""

    changed: list[str] = Field(description="The names of the buckets that changed.")
    unchanged: int


@router.get(
    "/buckets",
    auth=callers_who(permission="detectors.view_bucket", scope="findings:read"),
    response={200: BucketList, frozenset({401, 403, 422, 500}): Problem},
    operation_id="getBuckets",
    summary="List the registered buckets",
    openapi_extra={
        "security": [{"session": []}, {"client": ["findings:read"]}],
        "responses": {200: {"description": "The registered buckets.", "headers": _ETAG}},
    },
)
def get_buckets(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    """Lists the registered buckets, whose S3 events the detectors judge."""
    response["ETag"] = buckets.etag()
    response["Cache-Control"] = "private, no-cache"
    return {
        "buckets": [
            {
                "name": row.bucket.name,
                "sensitivity": row.bucket.sensitivity,
                "is_canary": row.bucket.is_canary,
                "allowed": row.bucket.allowed.splitlines(),
                "canary_keys": row.bucket.canary_keys.splitlines(),
                "floors": row.bucket.floors or {},
                "state": row.state,
                "registered_at": row.bucket.registered_at,
                "last_event_at": row.last_event_at,
                "last_finding": row.last_finding and row.last_finding.finding_id,
                "late": row.bucket.late,
            }
            for row in overview.rows(int(timezone.now().timestamp()))
        ]
    }


@router.put(
    "/buckets",
    auth=callers_who(permission="detectors.change_bucket", scope="buckets:write"),
    response={200: BucketsUpdated, frozenset({400, 401, 403, 412, 413, 415, 422, 500}): Problem},
    operation_id="putBuckets",
    summary="Register, change and remove buckets",
    openapi_extra={
        "security": [{"session": []}, {"client": ["buckets:write"]}],
        "responses": {
            200: {"description": "The buckets are set.", "headers": _ETAG},
            412: {"headers": _ETAG},
        },
    },
)
def put_buckets(
    request: HttpRequest,
    response: HttpResponse,
    body: BucketsUpdate,
    if_match: etags.IfMatch = None,
) -> dict[str, Any]:
    """Sets the listed buckets, all or none. The same request again changes nothing."""
    caller: Caller = request.auth  # type: ignore[attr-defined]  # Ninja sets it
    wanted = {one.name: one.settings() for one in body.buckets}
    try:
        with transaction.atomic():
            changes = buckets.set_buckets(
                wanted,
                by=caller,
                at=timezone.now(),
                if_match=etags.tags(if_match),
            )
            # Before the commit, so that it is not that of a later change, which nobody has read.
            response["ETag"] = buckets.etag()
    except TooMany as refused:
        raise ValidationError(
            [{"loc": ("body", "body", "buckets"), "type": "value_error", "msg": str(refused)}]
        ) from refused
    response["Cache-Control"] = "no-store"
    return {
        "changed": sorted(one.bucket for one in changes),
        "unchanged": len(wanted) - len(changes),
    }
