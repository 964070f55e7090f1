"""Extracts findings from envelopes such as EventBridge, SNS and SQS. Pure: no Django, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from findings.guardduty.lenient_json import field, from_json, pascal
from findings.guardduty.ocsf import is_ocsf
from findings.guardduty.security_hub import is_security_hub

MAX_DEPTH = 8  # nested objects and arrays around a finding; SNS to SQS to Lambda needs 5

# Other GuardDuty events report a scan without results or an API call.
_FINDING_EVENTS = {
    "guardduty finding",
    "security hub findings - imported",
    "findings imported v2",  # of Security Hub, in OCSF
    "security hub findings - custom action",  # sent by a user on purpose
}
_DETAIL_TYPE = ("detail-type", "Detail-Type", "detailType", "DetailType")
_NO_DETAIL: tuple[Any, ...] = (None, "", {}, [])

# SNS sends these to confirm the subscription of an endpoint.
_SUBSCRIPTIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")

# In search order: `aws guardduty get-findings`, a Lambda event, `aws sqs receive-message`, a Lambda
# event's SNS record, an SNS notification, an SQS message.
_WRAPPERS = ("findings", "records", "messages", "sns", "message", "body")


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A document that should be a finding but cannot be parsed, and the reason."""

    reason: str


def unwrap(document: Any) -> Iterator[Mapping[str, Any] | Unparsed]:
    """Yields the unchanged findings inside any envelopes, or Unparsed where one cannot be read.

    Yields nothing for events that are not findings. Never raises.
    """
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
    return is_ocsf(document) or (
        isinstance(field(document, "id"), str)
        and (isinstance(field(document, "type"), str) or is_security_hub(document))
    )


def _has(document: Mapping[str, Any], key: str) -> bool:
    return key in document or pascal(key) in document
