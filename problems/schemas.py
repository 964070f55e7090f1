"""The schema of a problem document, for the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, Field


class RequestError(BaseModel):
    """One error in the request. `pointer` or `parameter` says where."""

    pointer: str | None = Field(
        None,
        description="A JSON Pointer (RFC 6901) into the body.",
        examples=["/policies/3/action"],
    )
    parameter: str | None = Field(None, description="A parameter of the query.")
    detail: str


class Problem(BaseModel):
    """What was refused, why, and how to fix it (RFC 9457)."""

    type: str = Field(description="A page of this portal with the cause, the fix and the command.")
    title: str
    status: int
    code: str = Field(description="Stable; one for each reason.")
    detail: str
    errors: list[RequestError] | None = Field(
        None, description="With status 422: everything that is wrong, not only the first."
    )
