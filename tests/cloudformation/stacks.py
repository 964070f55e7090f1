"""Stacks of the templates in deploy/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3

from tests.cloudformation.templates import refusals

REGION = "us-east-1"  # moto's Fn::GetAZs returns the zones of this region


@cache
def client(service: str) -> Any:
    """Return a client for a service, in REGION."""
    return boto3.client(service, region_name=REGION)


@dataclass
class Stack:
    """A stack made of a template of deploy/."""

    name: str
    document: dict[str, Any]

    def create(self, **parameters: str) -> None:
        """Create the stack. An AssertionError tells which parameters CloudFormation refuses."""
        self._put("create_stack", parameters)

    def update(self, **parameters: str) -> None:
        """Update the stack with these parameters, and the defaults of all others."""
        self._put("update_stack", parameters)

    def delete(self) -> None:
        """Delete the stack."""
        client("cloudformation").delete_stack(StackName=self.name)

    def _put(self, operation: str, parameters: Mapping[str, str]) -> None:
        assert not refusals(self.document, parameters)
        # CloudFormation compares and passes on numbers as strings. moto does not.
        declared = {
            name: one
            | {"Type": "String"}
            | ({"Default": str(one["Default"])} if "Default" in one else {})
            for name, one in self.document["Parameters"].items()
        }
        getattr(client("cloudformation"), operation)(
            StackName=self.name,
            TemplateBody=json.dumps(self.document | {"Parameters": declared}),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )

    @property
    def status(self) -> str:
        """Returns the status, such as CREATE_COMPLETE."""
        return str(
            client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0][
                "StackStatus"
            ]
        )

    def resources(self) -> dict[str, str]:
        """Returns the physical ID of each resource, by its name in the template."""
        pages = client("cloudformation").get_paginator("list_stack_resources")
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.name)
            for one in page["StackResourceSummaries"]
        }

    def outputs(self) -> dict[str, str]:
        """Returns the outputs of the stack."""
        return {one["OutputKey"]: one["OutputValue"] for one in self._described()["Outputs"]}

    def _described(self) -> dict[str, Any]:
        (stack,) = client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return dict(stack)
