"""Compiled rows and mappings of users, put together by hand."""

from typing import Any

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import AttributeType, FlowBehavior, FlowType, ObjectFlow
from shared.contracts.templates.template import Template
from shared.schema.conversion import converter
from shared.schema.expressions import compile_expression
from shared.schema.filters import CompiledFilter
from shared.schema.mapping import CompiledObjectMapping, MappedAttribute
from shared.schema.options import default_deprovisioning
from shared.schema.source_attributes import find_source_attribute


def mapped_attribute(
    path: str,
    *,
    source: str | None = None,
    constant: Any = None,
    expression: str | None = None,
    kind: AttributeType = AttributeType.STRING,
    **more: Any,
) -> MappedAttribute:
    """Return one compiled row."""
    attribute = find_source_attribute(ObjectType.USER, source) if source else None
    compiled = compile_expression(expression) if expression else None
    values: dict[str, Any] = {
        "multivalued": False,
        "case_exact": False,
        "required": False,
        "flow_type": FlowType.ALWAYS,
        "flow_behavior": FlowBehavior.FLOW_WHEN_CHANGED,
        "flow_null_values": False,
        "matching_priority": 0,
        "redact": False,
        "default": None,
        **more,
    }
    read = [find_source_attribute(ObjectType.USER, name) for name in (compiled.attributes if compiled else ())]
    return MappedAttribute(
        path=path,
        source=source or expression or "",
        type=kind,
        convert=converter(kind, multivalued=values["multivalued"]),
        lookup=attribute.graph_property
        if attribute and attribute.read is None and kind is AttributeType.STRING
        else None,
        attribute=attribute,
        constant=constant,
        expression=compiled,
        reads=tuple(item for item in read if item is not None),
        **values,
    )


def object_mapping(rows: tuple[MappedAttribute, ...], template: Template, **more: Any) -> CompiledObjectMapping:
    """Return a compiled mapping of these rows."""
    values: dict[str, Any] = {
        "flows": frozenset(ObjectFlow),
        "filter": CompiledFilter(),
        "keep_managing_released_links": True,
        "deprovisioning": default_deprovisioning(ObjectType.USER, template.capabilities),
        "object_type": ObjectType.USER,
        "name": "Users",
        "enabled": True,
        "members_path": None,
        **more,
    }
    matching = sorted((row for row in rows if row.matching_priority), key=lambda row: row.matching_priority)
    active = [row.path for row in rows if row.expression and "IsSoftDeleted" in row.expression.attributes]
    return CompiledObjectMapping(
        attributes={row.path: row for row in rows},
        matching=tuple(row.path for row in matching),
        active_path=active[0] if active else None,
        redacted=frozenset(row.path for row in rows if row.redact),
        source_attributes=(),
        rows=rows,
        **values,
    )
