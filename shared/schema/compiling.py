"""From a schema to what evaluates it: once for each version of a job, never for each object."""

from dataclasses import dataclass
from functools import lru_cache

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import (
    AttributeMapping,
    AttributeType,
    FlowType,
    Mutability,
    ObjectMapping,
    SynchronizationRule,
    SynchronizationSchema,
)
from shared.contracts.templates.template import Template
from shared.schema.checks import CheckedMapping, check_schema
from shared.schema.checks_of_attributes import Row, default_of
from shared.schema.conversion import converter
from shared.schema.filters import compile_filter
from shared.schema.findings import Finding, SchemaRefusedError, Severity
from shared.schema.mapping import CompiledObjectMapping, MappedAttribute
from shared.schema.options import FLOW_NULL_VALUES, Options, read_switch
from shared.schema.source_attributes import MEMBERS, SourceAttribute, find_source_attribute
from shared.schema.sources import parsed

_ALWAYS = {ObjectType.USER: ("accountEnabled", "id"), ObjectType.GROUP: ("displayName", "id", "securityEnabled")}
_NEVER_CLEARS = frozenset(FlowType) - {FlowType.ALWAYS}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledSchema:
    """A schema, ready to be used. ``groups`` is nothing when groups are not mapped, or their mapping is not enabled."""

    schema: SynchronizationSchema
    users: CompiledObjectMapping
    groups: CompiledObjectMapping | None
    warnings: tuple[Finding, ...]

    def mapping_of(self, object_type: ObjectType) -> CompiledObjectMapping | None:
        """Return the mapping of users or of groups, or nothing when groups are not provisioned."""
        return self.groups if object_type is ObjectType.GROUP else self.users

    def source_attributes(self, object_type: ObjectType) -> tuple[str, ...]:
        """Return the Microsoft Graph properties that mapping, matching and filters read, sorted, each once.

        What decides about an object without any mapping is always among them. ``manager`` among those of users stands for the directory
        object id of the manager.
        """
        mapping = self.mapping_of(object_type)
        return tuple(sorted({*_ALWAYS[object_type], *(mapping.source_attributes if mapping else ())}))


def compile_schema(schema: SynchronizationSchema, template: Template) -> CompiledSchema:
    """Return the schema ready to be used for jobs of ``template``; raises ``SchemaRefusedError`` with everything that is wrong with it."""
    checked = check_schema(schema, template)
    if any(finding.severity is Severity.ERROR for finding in checked.findings):
        raise SchemaRefusedError(checked.findings)
    groups = checked.mappings.get(ObjectType.GROUP)
    return CompiledSchema(
        schema=schema,
        users=_object(checked.mappings[ObjectType.USER]),
        groups=_object(groups) if groups is not None and groups.mapping.enabled else None,
        warnings=checked.findings,
    )


@lru_cache(maxsize=32)
def template_default(template_name: str) -> CompiledSchema:
    """Return the compiled default of a template."""
    from shared.contracts.templates import TEMPLATES  # noqa: PLC0415 - what a template is needs no template

    return compile_schema(TEMPLATES[template_name].schema, TEMPLATES[template_name])


def with_parsed_sources(schema: SynchronizationSchema) -> SynchronizationSchema:
    """Return the schema as Entra shows one: every ``source`` taken apart. Raises ``ExpressionError`` for one that was never checked."""

    def attribute(mapping: AttributeMapping) -> AttributeMapping:
        return mapping if mapping.source is None else mapping.model_copy(update={"source": parsed(mapping.source)})

    def object_(mapping: ObjectMapping) -> ObjectMapping:
        return mapping.model_copy(update={"attribute_mappings": tuple(map(attribute, mapping.attribute_mappings))})

    def rule(one: SynchronizationRule) -> SynchronizationRule:
        return one.model_copy(update={"object_mappings": tuple(map(object_, one.object_mappings))})

    return schema.model_copy(update={"synchronization_rules": tuple(map(rule, schema.synchronization_rules))})


def _object(checked: CheckedMapping) -> CompiledObjectMapping:
    kind, mapping = checked.object_type, checked.mapping
    members = next((row.definition.name for row in checked.rows if row.source.attribute == MEMBERS), None)
    attributes = [
        _attribute(row, kind, checked.options)
        for row in checked.rows
        if row.source.attribute != MEMBERS and _flows(row)
    ]
    filter_ = compile_filter(mapping.scope, kind)
    wanted = {item for attribute in attributes for item in attribute.reads}
    wanted |= {item for name in filter_.attributes if (item := find_source_attribute(kind, name)) is not None}
    matched = sorted((row for row in attributes if row.matching_priority), key=lambda row: row.matching_priority)
    return CompiledObjectMapping(
        object_type=kind,
        name=mapping.name,
        enabled=mapping.enabled,
        flows=frozenset(mapping.flow_types),
        attributes={row.path: row for row in attributes},
        matching=tuple(row.path for row in matched),
        filter=filter_,
        active_path=checked.activity.definition.name if checked.activity else None,
        members_path=members,
        redacted=frozenset(row.path for row in attributes if row.redact),
        keep_managing_released_links=checked.options.keep_managing_released_links,
        deprovisioning=checked.options.deprovisioning,
        source_attributes=tuple(sorted({item.graph_property for item in wanted if item.graph_property is not None})),
        rows=tuple(attributes),
    )


def _flows(row: Row) -> bool:
    source = row.source
    return source.attribute is not None or source.expression is not None or bool(source.constant)


def _attribute(row: Row, kind: ObjectType, options: Options) -> MappedAttribute:
    mapping, definition, source = row.mapping, row.definition, row.source
    convert = converter(definition.type, multivalued=definition.multivalued)
    attribute = find_source_attribute(kind, source.attribute) if source.attribute else None
    text = definition.type is AttributeType.STRING and not definition.multivalued
    return MappedAttribute(
        path=definition.name,
        source=source.text,
        type=definition.type,
        multivalued=definition.multivalued,
        case_exact=definition.case_exact,
        required=definition.required,
        flow_type=_flow_type(row),
        flow_behavior=mapping.flow_behavior,
        flow_null_values=_clears(row, options),
        matching_priority=mapping.matching_priority,
        redact=source.expression is not None and source.expression.redacts,
        default=convert(default) if (default := default_of(row)) else None,
        convert=convert,
        lookup=attribute.graph_property if attribute is not None and attribute.read is None and text else None,
        attribute=attribute,
        constant=convert(source.constant) if source.constant else None,
        expression=source.expression,
        reads=_reads(source.names, kind),
    )


def _reads(names: frozenset[str], kind: ObjectType) -> tuple[SourceAttribute, ...]:
    found = (find_source_attribute(kind, name) for name in sorted(names))
    return tuple(attribute for attribute in found if attribute is not None)


def _flow_type(row: Row) -> FlowType:
    """Return when the mapping applies, whatever it says: an immutable attribute only with a create (RFC 7643, section 2.2), and roles by
    ``AppRoleAssignmentsComplex`` are only ever added.
    """
    if row.definition.mutability is Mutability.IMMUTABLE:
        return FlowType.OBJECT_ADD_ONLY
    said = row.mapping.flow_type
    adds = row.source.expression is not None and "AppRoleAssignmentsComplex" in row.source.expression.functions
    return FlowType.VALUE_ADD_ONLY if adds and said is FlowType.ALWAYS else said


def _clears(row: Row, options: Options) -> bool:
    """Return whether an emptied source empties the target: never what is matched by or required, nor what only ever adds."""
    if row.mapping.matching_priority or row.definition.required or _flow_type(row) in _NEVER_CLEARS:
        return False
    said = read_switch(row.definition.metadata, FLOW_NULL_VALUES)
    return options.flow_null_values if said is None else said
