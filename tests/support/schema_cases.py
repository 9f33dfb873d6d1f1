"""Schemas in which something is wrong, and how that is expected to be told."""

from dataclasses import dataclass
from typing import Any

import pytest

from shared.contracts.templates.template import Template
from shared.schema.checks import read_schema
from shared.schema.compiling import compile_schema
from shared.schema.findings import SchemaRefusedError, Severity
from tests.support.builders_schema import SCIM, document, found, row

USERS = "synchronizationRules.0.objectMappings.0"
GROUPS = "synchronizationRules.0.objectMappings.1"
THIRD = f"{USERS}.attributeMappings.2"


@dataclass(frozen=True)
class Case:
    """A document, and what is found in it first."""

    code: str
    path: str
    document: dict[str, Any]
    severity: Severity = Severity.ERROR
    position: int | None = None
    template: Template = SCIM


def expect(case: Case) -> None:
    """Hold that what is wrong is named with its place and a remedy, and that an error alone keeps the schema out."""
    findings = found(case.document, case.template)
    (finding,) = [item for item in findings if (item.code, item.path) == (case.code, case.path)]
    assert finding.severity is case.severity
    assert finding.remedy
    if case.position is not None:
        assert finding.position == case.position
    errors = [item for item in findings if item.severity is Severity.ERROR]
    assert bool(errors) is (case.severity is Severity.ERROR)
    if not errors:
        assert compile_schema(read_schema(case.document), case.template).warnings == findings
        return
    with pytest.raises(SchemaRefusedError, match=str(len(errors))):
        compile_schema(read_schema(case.document), case.template)


def scoped(*clauses: dict[str, Any]) -> dict[str, Any]:
    return document(scope={"groups": [{"name": "f", "clauses": list(clauses)}]})


def patterned(number: int) -> dict[str, Any]:
    """Mappings with that many patterns of 9,800 characters, each inside another function."""
    text = f'ToLower(Replace([city], , "{"y" * 9_800}", , "x", , ), )'
    targets = ("title", "nickName", "displayName", "name.givenName", "name.familyName", "locale", "timezone")
    return document(*(row(target, text) for target in targets[:number]))
