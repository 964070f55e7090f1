"""The running portal conforms to its OpenAPI document, for valid and invalid requests."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, assume, given, settings

from findings import catalogue
from license.tests.keys import make_license
from tests.server import Server

LONGEST_QUERY = 4000  # gunicorn itself answers 414 to a request line over 4094 characters


@pytest.mark.parametrize("licensed", [True, False])
def test_every_operation_keeps_to_the_document(server: Server, licensed: bool) -> None:
    import schemathesis  # here because it is slow
    from schemathesis import Case, GenerationMode

    if licensed:
        server.install(make_license())
    bearer = {"Authorization": f"Bearer {server.access_token()}"}
    document = schemathesis.openapi.from_url(f"{server.url}/api/openapi.json")
    # Rightly: 412 to a random If-Match, 304 to If-None-Match: *, 403 to a write without a license.
    accepted = ["2xx", "304", "412"] if licensed else ["2xx", "304", "412", "403"]
    operations = [result.ok() for result in document.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) == 16
    for operation in operations:
        # Without a license, only the status and the answer to writes differ.
        is_read = operation.label.startswith("GET ")
        if not licensed and is_read and operation.label != "GET /license/status":
            continue
        semantic = _SEMANTIC.get(operation.label, [])
        document.config.checks.positive_data_acceptance.expected_statuses = [*accepted, *semantic]
        modes = list(GenerationMode)
        if operation.label in _WITHOUT_PARAMETERS:  # they take nothing that could be wrong
            modes.remove(GenerationMode.NEGATIVE)
        for mode in modes:
            count = 25 if licensed else 5

            @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def run(case: Case[Any]) -> None:
                assume(len(urlencode(case.query or {}, doseq=True)) < LONGEST_QUERY)
                is_negative = mode is GenerationMode.NEGATIVE  # noqa: B023  (it runs at once)
                assume(is_negative or _is_within_the_rules(case.body))
                case.call_and_validate(headers=bearer)  # with every check there is

            run()


_WITHOUT_PARAMETERS = {
    "GET /license/status",
    "GET /buckets",
    "GET /catalogue",
    "GET /notifications",
}
# Rightly, too: 422 to a target of the wrong kind or to a name that is listed twice, 409 to undo
# what is not in force, 404 or 409 to approve what does not exist or does not wait, 428 to replace
# the policy without its version, and 422 to ask for the action of both a type and a service.
_SEMANTIC = {
    "PUT /findings": ["428"],
    "GET /findings/effective": ["422"],
    "POST /actions": ["409", "422"],
    "PUT /buckets": ["422"],
    "PUT /notifications": ["412", "422"],
    "POST /actions/{action_id}/approval": ["404", "409"],
}


def _is_within_the_rules(body: Any) -> bool:
    """Whether a body that fits the schema also keeps to what no schema can say: one action for one
    target, REVOKE only where a finding can name a credential, and an assignee who exists."""
    if isinstance(body, dict) and body.get("assignee"):
        return False
    settings: dict[tuple[Any, ...], Any] = {}
    for item in body.get("policies", []) if isinstance(body, dict) else []:
        service, finding_type = item.get("service"), item.get("finding_type")
        service = service and catalogue.canonical_service(service)
        target = (service, finding_type, item.get("severity"))
        if settings.setdefault(target, item["action"]) != item["action"]:
            return False
        if str(item["action"]).endswith("REVOKE") and not catalogue.can_revoke(
            service=service or "", finding_type=finding_type or ""
        ):
            return False
    return True
