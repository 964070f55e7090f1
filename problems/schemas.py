"""The schemas of problem documents in the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, Field


class RequestError(BaseModel):
    """A validation error in the request, located by `pointer` or `parameter`."""

    pointer: str | None = Field(
        None,
        description="A JSON Pointer (RFC 6901) into the body.",
        examples=["/policies/3/action"],
    )
    parameter: str | None = Field(None, description="A query parameter.")
    detail: str


class Problem(BaseModel):
    """An error response (RFC 9457)."""

    type: str = Field(description="The URL of a page with the cause, the fix and the command.")
    title: str
    status: int
    code: str = Field(description="A stable identifier of the reason.")
    detail: str
    errors: list[RequestError] | None = Field(
        None, description="All validation errors of the request, with status 422."
    )
