"""What a finding comes wrapped in, and how it is taken out. Pure: no Django, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from findings.guardduty.lenient_json import field, from_json, pascal
from findings.guardduty.security_hub import is_security_hub

MAX_DEPTH = 8  # objects and arrays around a finding; Lambda over SQS over SNS needs 5

# An event of GuardDuty's may also tell of a scan that found nothing, or of an API call.
_FINDING_EVENTS = {
    "guardduty finding",
    "security hub findings - imported",
    "security hub findings - custom action",  # somebody has sent it on purpose
}
_DETAIL_TYPE = ("detail-type", "Detail-Type", "detailType", "DetailType")
_NO_DETAIL: tuple[Any, ...] = (None, "", {}, [])

# SNS asks this of an endpoint that it does not know yet.
_SUBSCRIPTIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")

# In the order in which they are looked for: `aws guardduty get-findings`, Lambda's event,
# `aws sqs receive-message`, its SNS record, SNS itself, an SQS message.
_WRAPPERS = ("findings", "records", "messages", "sns", "message", "body")


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A document that was meant as a finding, and why it cannot be read as one."""

    reason: str


def unwrap(document: Any) -> Iterator[Mapping[str, Any] | Unparsed]:
    """The findings inside whatever wraps them, as they are; nothing for an event that is none."""
    return _unwrap(document, depth=0)


def _unwrap(document: Any, *, depth: int) -> Iterator[Mapping[str, Any] | Unparsed]:
    if depth > MAX_DEPTH:
        yield Unparsed(f"It is nested more than {MAX_DEPTH} deep.")
    elif isinstance(document, str):
        inside = from_json(document)
        if inside is None:
            yield Unparsed("It is text, but not JSON.")
        else:
            yield from _unwrap(inside, depth=depth + isinstance(inside, str))
    elif isinstance(document, list | tuple):
        for item in document:
            yield from _unwrap(item, depth=depth + 1)
    elif isinstance(document, Mapping):
        yield from _unwrap_object(document, depth=depth)
    else:
        yield Unparsed("It is not an object.")


def _unwrap_object(
    document: Mapping[str, Any], *, depth: int
) -> Iterator[Mapping[str, Any] | Unparsed]:
    event = next((document[key] for key in _DETAIL_TYPE if isinstance(document.get(key), str)), "")
    if event and event.strip().casefold() not in _FINDING_EVENTS:
        return
    if event or (_has(document, "detail") and not _names_itself(document)):
        detail = field(document, "detail")
        if detail not in _NO_DETAIL:
            yield from _unwrap(detail, depth=depth + 1)
        return
    if _names_itself(document):
        yield document
        return
    for key in _WRAPPERS:
        inside = field(document, key)
        if inside is None:
            if key == "findings" and _has(document, key):
                return  # "Findings": null
            continue
        if key == "message" and field(document, "type") in _SUBSCRIPTIONS:
            return
        yield from _unwrap(inside, depth=depth + 1)
        return
    yield document


def _names_itself(document: Mapping[str, Any]) -> bool:
    return isinstance(field(document, "id"), str) and (
        isinstance(field(document, "type"), str) or is_security_hub(document)
    )


def _has(document: Mapping[str, Any], key: str) -> bool:
    return key in document or pascal(key) in document
