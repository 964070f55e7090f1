"""The containers of the task definitions in deploy/threatreaction.yaml, as ECS would run them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.cloudformation.templates import template


class Stack:
    """The template with values of parameters, references and attributes.

    `values` has their names as in !Sub: `PortalHost`, `AWS::Region`, `Database.Endpoint.Port`. A
    parameter without a value has its default.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._template = template("threatreaction.yaml")
        parameters = self._template["Parameters"].items()
        defaults = {name: str(one["Default"]) for name, one in parameters if "Default" in one}
        self._values = {**defaults, **values}

    def container(self, task: str, name: str) -> dict[str, Any]:
        """Return the definition of a container, without the values of functions."""
        properties = self._template["Resources"][task]["Properties"]
        found = properties["ContainerDefinitions"]
        return dict(next(one for one in found if one["Name"] == name))

    def environment(self, task: str, name: str) -> dict[str, str]:
        """Return the environment variables of a container, with the values of its secrets."""
        found = self.container(task, name)
        plain = self._resolved(found["Environment"])
        secret = self._resolved(found["Secrets"])
        return {one["Name"]: str(one["Value"]) for one in plain} | {
            one["Name"]: one["ValueFrom"] for one in secret
        }

    def _resolved(self, node: Any) -> Any:
        match node:
            case {"Ref": "AWS::NoValue"}:
                return None
            case {"Ref": str(name)}:
                return self._values[name]
            case {"Fn::GetAtt": name}:
                return self._values[name if isinstance(name, str) else ".".join(name)]
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([\w:.]+)\}", lambda found: self._values[found[1]], text)
            case {"Fn::If": [str(condition), yes, no]}:
                holds = self._holds(self._template["Conditions"][condition])
                return self._resolved(yes if holds else no)
            case dict():
                return {name: self._resolved(value) for name, value in node.items()}
            case list():
                return [one for one in map(self._resolved, node) if one is not None]
        return node

    def _holds(self, condition: Any) -> bool:
        match condition:
            case {"Condition": str(name)}:
                return self._holds(self._template["Conditions"][name])
            case {"Fn::Equals": [one, other]}:
                return bool(self._resolved(one) == self._resolved(other))
            case {"Fn::Not": [other]}:
                return not self._holds(other)
            case {"Fn::And": others}:
                return all(self._holds(one) for one in others)
            case {"Fn::Or": others}:
                return any(self._holds(one) for one in others)
        raise AssertionError(condition)
