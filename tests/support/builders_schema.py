"""Schemas for tests: say only what matters."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from shared.contracts.templates import TEMPLATES
from shared.contracts.templates.template import Template
from shared.schema.checks import check_schema, read_schema
from shared.schema.compiling import CompiledSchema, compile_schema
from shared.schema.expressions import EvaluationContext
from shared.schema.findings import Finding, SchemaRefusedError
from tests.support.repository import ROOT

LINKEDIN = TEMPLATES["linkedin-sales-navigator"]
SCIM = TEMPLATES["scim"]
CONTEXT = EvaluationContext(now=datetime(2026, 3, 2, 9, tzinfo=UTC), seed="job-1/object-1")
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ENTRA_EXPORT = ROOT / "tests" / "unit" / "schema" / "entra_export_of_a_scim_application.json"

RECORD: Mapping[str, Any] = {
    "id": "object-1",
    "userPrincipalName": "ada@example.org",
    "givenName": "Ada",
    "surname": "Example",
    "displayName": "Ada Example",
    "mail": "ada@example.org",
    "accountEnabled": True,
    "IsSoftDeleted": False,
}


def entra_export() -> dict[str, Any]:
    """An export as Entra writes one, with its nulls and annotations."""
    document: dict[str, Any] = json.loads(ENTRA_EXPORT.read_text("utf-8"))
    return document


def row(target: str, source: str | None = None, **more: Any) -> dict[str, Any]:
    """One attribute mapping: ``[name]`` or an expression to ``target``, or a constant by ``defaultValue``."""
    kind = "Attribute" if source is None or source.startswith("[") else "Function"
    parsed = None if source is None else {"expression": source, "type": kind}
    return {"targetAttributeName": target, "source": parsed, **more}


USER_ROWS = (
    row("userName", "[userPrincipalName]", matchingPriority=1),
    row("active", 'Switch([IsSoftDeleted], , "False", "True", "True", "False")'),
)


def clause(name: str, operator: str, *values: str) -> dict[str, Any]:
    """One condition of a filter."""
    return {"sourceOperandName": name, "operatorName": operator, "targetOperand": {"values": list(values)}}


def document(*rows: dict[str, Any], base: tuple[dict[str, Any], ...] = USER_ROWS, **mapping: Any) -> dict[str, Any]:
    """A schema that maps users by ``base`` and ``rows``; ``mapping`` sets more of the object mapping."""
    users = {"sourceObjectName": "User", "targetObjectName": "User", "attributeMappings": [*base, *rows], **mapping}
    return deepcopy({"synchronizationRules": [{"objectMappings": [users]}]})


def compiled(*rows: dict[str, Any], template: Template = SCIM, **mapping: Any) -> CompiledSchema:
    """The same, compiled."""
    return compile_schema(read_schema(document(*rows, **mapping)), template)


def found(document_: Mapping[str, Any], template: Template = SCIM) -> tuple[Finding, ...]:
    """Everything that is wrong with a document."""
    try:
        return check_schema(read_schema(document_), template).findings
    except SchemaRefusedError as error:
        return error.findings


def with_groups(**more: Any) -> dict[str, Any]:
    """A document with a mapping of groups besides that of users."""
    made = document()
    rows = [row("displayName", "[displayName]", matchingPriority=1), row("members", "[members]")]
    groups = {"sourceObjectName": "Group", "targetObjectName": "Group", "attributeMappings": rows}
    made["synchronizationRules"][0]["objectMappings"].append(groups | more)
    return made


def defined(
    attribute: str,
    source: str = "[jobTitle]",
    *,
    base: tuple[dict[str, Any], ...] = USER_ROWS,
    mapping: list[dict[str, Any]] | None = None,
    **definition: Any,
) -> dict[str, Any]:
    """A mapping to an attribute that the schema's own directory defines; ``mapping`` is the metadata of the object mapping."""
    made = document(row(attribute, source), base=base, metadata=mapping or [])
    made["synchronizationRules"][0] |= {"sourceDirectoryName": "T", "targetDirectoryName": "T"}
    own = {"name": attribute, **definition}
    return made | {"directories": [{"name": "T", "objects": [{"name": "User", "attributes": [own]}]}]}
