"""How templates write their default synchronization schema: one line for each attribute of the target, one for each mapping."""

from collections.abc import Iterable
from typing import Any, Final

from shared.contracts.synchronization_schema import (
    AttributeDefinition,
    AttributeMapping,
    AttributeMappingSource,
    AttributeType,
    DirectoryDefinition,
    FlowType,
    Mutability,
    ObjectDefinition,
    ObjectMapping,
    ReferencedObject,
    SourceType,
    SynchronizationRule,
    SynchronizationSchema,
)

ENTERPRISE_USER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SOURCE_DIRECTORY: Final = "Azure Active Directory"
IS_ACTIVE: Final = 'Switch([IsSoftDeleted], , "False", "True", "True", "False")'
"""Entra's mapping of ``active``: false for who left in any way."""


def text(name: str, **more: Any) -> AttributeDefinition:
    """Return an attribute that holds text in which case counts, so that a correction of a name in case alone arrives."""
    return AttributeDefinition(name=name, **({"case_exact": True} | more))


def flag(name: str) -> AttributeDefinition:
    """Return an attribute that is true or false."""
    return AttributeDefinition(name=name, type=AttributeType.BOOLEAN)


def anchor(name: str) -> AttributeDefinition:
    """Return the attribute by which a directory knows its objects; it is never written."""
    return AttributeDefinition(name=name, anchor=True, mutability=Mutability.READ_ONLY, case_exact=True)


def reference(name: str, to: str, *, multivalued: bool = False) -> AttributeDefinition:
    """Return an attribute that points to another object."""
    referenced = ReferencedObject(referenced_object_name=to)
    return AttributeDefinition(
        name=name,
        type=AttributeType.REFERENCE,
        multivalued=multivalued,
        referenced_objects=(referenced,),
        case_exact=True,
    )


def direct(source: str, target: str, *, match: int = 0, default: str | None = None) -> AttributeMapping:
    """Return the mapping of one attribute of the source."""
    return AttributeMapping(
        target_attribute_name=target,
        source=AttributeMappingSource(expression=f"[{source}]", name=source, type=SourceType.ATTRIBUTE),
        matching_priority=match,
        default_value=default,
    )


def function(expression: str, target: str, *, flow_type: FlowType = FlowType.ALWAYS) -> AttributeMapping:
    """Return the mapping of an expression. Only its text is written here: taken apart it is shown by the schema's own code."""
    return AttributeMapping(
        target_attribute_name=target,
        source=AttributeMappingSource(expression=expression, type=SourceType.FUNCTION),
        flow_type=flow_type,
    )


GROUP_ROWS: Final = (
    direct("displayName", "displayName", match=1),
    direct("objectId", "externalId"),
    direct("members", "members"),
)
GROUP_ATTRIBUTES: Final = (
    anchor("id"),
    text("displayName", required=True),
    text("externalId"),
    reference("members", "User", multivalued=True),
)
"""The Group resource (RFC 7643, section 4.2)."""


def default_schema(
    name: str,
    target: str,
    *,
    users: Iterable[AttributeMapping],
    user_attributes: Iterable[AttributeDefinition],
    groups: Iterable[AttributeMapping] = GROUP_ROWS,
    group_attributes: Iterable[AttributeDefinition] = GROUP_ATTRIBUTES,
) -> SynchronizationSchema:
    """Return the default schema of the template ``name``, whose target is shown as ``target``."""
    user_rows, group_rows = tuple(users), tuple(groups)
    return SynchronizationSchema(
        version="Date:0001-01-01T00:00:00.0000000Z",
        directories=(
            DirectoryDefinition(
                id=f"{name}-source",
                name=SOURCE_DIRECTORY,
                read_only=True,
                objects=(_read("User", user_rows), _read("Group", group_rows)),
            ),
            DirectoryDefinition(
                id=f"{name}-target",
                name=target,
                objects=(
                    ObjectDefinition(name="User", attributes=tuple(user_attributes)),
                    ObjectDefinition(name="Group", attributes=tuple(group_attributes)),
                ),
            ),
        ),
        synchronization_rules=(
            SynchronizationRule(
                id=f"{name}-rule",
                name=f"{SOURCE_DIRECTORY} to {target}",
                priority=1,
                source_directory_name=SOURCE_DIRECTORY,
                target_directory_name=target,
                object_mappings=(_mapping("Group", group_rows), _mapping("User", user_rows)),
            ),
        ),
    )


def _mapping(kind: str, rows: tuple[AttributeMapping, ...]) -> ObjectMapping:
    return ObjectMapping(
        name=f"Provision {SOURCE_DIRECTORY} {kind}s",
        source_object_name=kind,
        target_object_name=kind,
        attribute_mappings=rows,
    )


def _read(kind: str, rows: tuple[AttributeMapping, ...]) -> ObjectDefinition:
    """Return the part of the source directory that the rows read by name."""
    names = {row.source.name for row in rows if row.source and row.source.name} | {"objectId"}
    if kind == "User":
        names |= {"IsSoftDeleted", "accountEnabled"}
    return ObjectDefinition(name=kind, attributes=tuple(_source_attribute(item) for item in sorted(names)))


def _source_attribute(name: str) -> AttributeDefinition:
    if name == "objectId":
        return anchor(name)
    if name in {"manager", "members"}:
        return reference(name, "User", multivalued=name == "members")
    return flag(name) if name in {"IsSoftDeleted", "accountEnabled"} else AttributeDefinition(name=name)
