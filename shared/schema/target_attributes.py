"""Which attributes the target has: those of the template, and of the schema's own target directory where the template allows more."""

from collections.abc import Iterable, Iterator, Mapping

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import (
    AttributeDefinition,
    ObjectDefinition,
    SynchronizationRule,
    SynchronizationSchema,
)
from shared.contracts.templates.template import Template
from shared.schema.target_paths import TargetPathError, parse_target_path

OBJECT_TYPES = {"user": ObjectType.USER, "group": ObjectType.GROUP}


def object_type_of(name: str) -> ObjectType | None:
    """Return what ``User``, ``Group``, or the URN of their SCIM schemas means; nothing for any other object."""
    return OBJECT_TYPES.get(name.rpartition(":")[2].casefold())


def target_key(name: str) -> str | None:
    """Return the same key for every spelling of one path, or nothing when it is no path."""
    try:
        return parse_target_path(name).key
    except TargetPathError:
        return None


def target_attributes(
    schema: SynchronizationSchema, rule: SynchronizationRule, object_type: ObjectType, template: Template
) -> Mapping[str, AttributeDefinition]:
    """Return the attributes that the target has, by key.

    What the schema's target directory says of an attribute (type, required, caseExact and so on) wins over the template; attributes that
    only the schema knows count where the target takes custom attributes.
    """
    known = dict(_keyed(_definitions(template.schema, rule=template.schema.synchronization_rules[0], kind=object_type)))
    own = dict(_keyed(_definitions(schema, rule=rule, kind=object_type)))
    return known | {key: value for key, value in own.items() if key in known or template.capabilities.custom_attributes}


def _definitions(
    schema: SynchronizationSchema, *, rule: SynchronizationRule, kind: ObjectType
) -> Iterator[AttributeDefinition]:
    directory = schema.directory(rule.target_directory_name)
    objects: Iterable[ObjectDefinition] = directory.objects if directory else ()
    for definition in objects:
        if object_type_of(definition.name) is kind:
            yield from definition.attributes


def _keyed(definitions: Iterable[AttributeDefinition]) -> Iterator[tuple[str, AttributeDefinition]]:
    for definition in definitions:
        if (key := target_key(definition.name)) is not None:
            yield key, definition
