"""The templates of deploy/, and which parameters CloudFormation refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.server import ROOT


class _Loader(yaml.CSafeLoader):  # in C, which is ten times as fast
    """Reads the short form of functions, such as !Ref, as their long form."""


def _function(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]
    if name == "GetAtt":
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


def template(name: str) -> dict[str, Any]:
    """Returns a template of deploy/, with all functions in their long form."""
    loaded = yaml.load((ROOT / "deploy" / name).read_text(), _Loader)  # noqa: S506 (a SafeLoader)
    return dict(loaded)


def refusals(document: Mapping[str, Any], given: Mapping[str, str]) -> list[str]:
    """Returns why CloudFormation refuses the parameters: their names, or the texts of rules."""
    declared = document["Parameters"]
    values = {name: str(one["Default"]) for name, one in declared.items() if "Default" in one}
    values |= given
    wrong = [name for name in given if name not in declared]
    wrong += [
        name for name, one in declared.items() if name not in values or not _fits(one, values[name])
    ]
    for rule in document.get("Rules", {}).values():
        if "RuleCondition" not in rule or _holds(rule["RuleCondition"], values):
            wrong += [
                one["AssertDescription"]
                for one in rule["Assertions"]
                if not _holds(one["Assert"], values)
            ]
    return wrong


def _fits(declared: Mapping[str, Any], value: str) -> bool:
    if declared["Type"] == "Number":
        if not re.fullmatch(r"-?\d+(\.\d+)?", value):
            return False
        at_least, at_most = declared.get("MinValue"), declared.get("MaxValue")
        if at_least is not None and float(value) < at_least:
            return False
        if at_most is not None and float(value) > at_most:
            return False
    allowed = declared.get("AllowedValues")
    return (
        (allowed is None or value in map(str, allowed))
        and re.fullmatch(declared.get("AllowedPattern", r"(?s:.*)"), value) is not None
        and len(value) <= declared.get("MaxLength", 4096)
    )


def _holds(condition: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    ((name, arguments),) = condition.items()
    if name == "Fn::Equals":
        one, other = (values[x["Ref"]] if isinstance(x, dict) else x for x in arguments)
        return bool(one == other)
    results = [_holds(argument, values) for argument in arguments]
    return {"Fn::And": all(results), "Fn::Or": any(results), "Fn::Not": not results[0]}[name]
