"""Groups the facts about calls of AWS and Kubernetes, database sign-ins and other actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from findings.guardduty.connections import domain_in
from findings.guardduty.entities import Kind
from findings.guardduty.facts import Fact, Group, all_of, fact, group, text_of, told
from findings.guardduty.lenient_json import additional, each, field


def groups(service: Any) -> Iterator[Group]:
    """Yields the calls, the sign-ins and what else the action of a finding says."""
    action = field(service, "action")
    for call in each(field(action, "awsApiCallAction")):
        domain = domain_in(field(call, "domainDetails", "domain"))
        yield group(
            "API call",
            told(
                call,
                {
                    "API": "api",
                    "Service": "serviceName",
                    "Error": "errorCode",
                    "Caller": "callerType",
                },
            ),
            fact("Count", field(service, "count")),
            fact("Domain", field(call, "domainDetails", "domain"), kind=Kind.DOMAIN, name=domain),
            told(
                call,
                {
                    "Account of the caller": "remoteAccountDetails.accountId",
                    "Affiliated account": "remoteAccountDetails.affiliated",
                    "Service of the caller": "remoteAccountDetails.awsServiceName",
                    "User agent": "userAgent",
                },
            ),
            all_of(field(call, "affectedResources")),
            _recent_calls(service),
        )
    call = field(action, "kubernetesApiCallAction")
    yield group(
        "Kubernetes API call",
        told(
            call,
            {
                "Verb": "verb",
                "Request URI": "requestUri",
                "Resource": "resource",
                "Subresource": "subresource",
                "Namespace": "namespace",
                "Name of the resource": "resourceName",
                "Status code": "statusCode",
                "Parameters": "parameters",
                "User agent": "userAgent",
                "Source addresses": "sourceIPs",
                "Sources": "sourceIps",
            },
        ),
        told(
            field(action, "kubernetesPermissionCheckedDetails"),
            {
                "Checked verb": "verb",
                "Checked resource": "resource",
                "Checked namespace": "namespace",
                "Allowed": "allowed",
            },
        ),
        all_of(field(action, "kubernetesRoleBindingDetails"), label="Role binding"),
        all_of(field(action, "kubernetesRoleDetails"), label="Role"),
    )
    attempts = list(each(field(action, "rdsLoginAttemptAction", "loginAttributes")))
    for attempt in attempts:
        yield group(
            "Database sign-in",
            told(
                attempt,
                {
                    "User": "user",
                    "Application": "application",
                    "Failed attempts": "failedLoginAttempts",
                    "Successful attempts": "successfulLoginAttempts",
                },
            ),
        )
    known = {
        "actionType", "networkConnectionAction", "portProbeAction", "dnsRequestAction",
        "awsApiCallAction", "kubernetesApiCallAction", "kubernetesPermissionCheckedDetails",
        "kubernetesRoleBindingDetails", "kubernetesRoleDetails", "rdsLoginAttemptAction",
    }  # fmt: skip
    yield group("Action", all_of(action, skip=known))


def _recent_calls(service: Any) -> Iterator[Fact]:
    for info in additional(service):
        calls = (
            f"{text_of(field(one, 'api'))} ({text_of(field(one, 'count')) or 1})"
            for one in each(field(info, "recentApiCalls"))
        )
        yield from filter(None, [fact("Recent API calls", list(calls))])
