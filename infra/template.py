"""Reads the templates as a newcomer would: for each role who assumes it, and what it may do on what.

For the README's table and for the tests, which hold the permissions against what the code calls.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

ROLES = Path(__file__).with_name("roles.yaml")
WEB = Path(__file__).with_name("web.yaml")


@dataclass(frozen=True)
class Statement:
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]  # of GetAtt and Ref the name, of an ARN what is after the account
    condition: dict[str, Any]


@dataclass(frozen=True)
class Role:
    name: str  # with ${Environment} in it
    trust: dict[str, Any]  # the one statement of who may assume it
    own: tuple[Statement, ...]
    shared: tuple[Statement, ...]  # of the managed policy that several roles have

    @property
    def actions(self) -> set[str]:
        return {action for statement in self.own + self.shared for action in statement.actions}


def load(path: Path = ROLES) -> dict[str, Any]:
    template: dict[str, Any] = cfn_yaml.load(str(path))
    return template


def roles() -> dict[str, Role]:
    """{"JobRole": …}, of both templates."""
    return {key: role for path in (ROLES, WEB) for key, role in _roles(load(path)["Resources"])}


def _roles(resources: dict[str, Any]) -> Iterator[tuple[str, Role]]:
    for key, resource in resources.items():
        if resource["Type"] == "AWS::IAM::Role":
            properties = resource["Properties"]
            shared = [resources[ref["Ref"]]["Properties"] for ref in properties.get("ManagedPolicyArns", [])]
            (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
            yield (
                key,
                Role(
                    properties["RoleName"]["Fn::Sub"],
                    trust,
                    tuple(_statements(properties["Policies"])),
                    tuple(_statements(shared)),
                ),
            )


def _statements(policies: list[dict[str, Any]]) -> Iterator[Statement]:
    for policy in policies:
        for statement in _chosen(policy["PolicyDocument"]["Statement"]):
            yield Statement(
                statement["Sid"],
                tuple(_listed(statement["Action"])),
                tuple(_resource(each) for each in _chosen(_listed(statement["Resource"]))),
                statement.get("Condition", {}),
            )


def _chosen(items: list[Any]) -> Iterator[Any]:
    """What is there when every condition holds."""
    for item in items:
        yield item["Fn::If"][1] if "Fn::If" in item else item


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _resource(value: Any) -> str:
    """What follows the account: arn:…:${AWS::AccountId}:model/pipelines-* -> model/pipelines-*"""
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return str(value["Ref"])
    if "Fn::GetAtt" in value:
        return str(value["Fn::GetAtt"][0])
    text = re.sub(r"\$\{AWS::(\w+)\}", r"\1", value["Fn::Sub"])
    return text.split(":", 5)[-1] if text.startswith("arn:") else text
