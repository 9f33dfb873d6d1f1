"""What can be wrong with the attribute mappings of one object mapping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import (
    AttributeDefinition,
    AttributeMapping,
    AttributeType,
    FlowType,
    Mutability,
)
from shared.contracts.templates.template import Capabilities
from shared.schema.conversion import ConversionError, converter
from shared.schema.expressions import ExpressionError
from shared.schema.expressions.tree import Attribute, Call, Comparison, Node
from shared.schema.findings import Findings
from shared.schema.source_attributes import (
    APP_ROLE_ASSIGNMENTS,
    IS_SOFT_DELETED,
    MEMBERS,
    SOURCE_ATTRIBUTES,
    Nature,
    find_source_attribute,
)
from shared.schema.sources import Source, read_source
from shared.schema.target_paths import TargetPathError, parse_target_path

_RESTLESS: Final = frozenset({"Now"})
"""Functions whose value is another one each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attribute mapping in which nothing is wrong so far, with its source and the definition of its target."""

    at: str
    mapping: AttributeMapping
    definition: AttributeDefinition
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeChecks:
    """Looks through the attribute mappings of one object mapping: ``known`` are the attributes that the target has, by key."""

    object_type: ObjectType
    known: Mapping[str, AttributeDefinition]
    capabilities: Capabilities
    findings: Findings
    _taken: dict[str, str] = field(default_factory=dict)
    _priorities: dict[int, str] = field(default_factory=dict)

    def run(self, at: str, mappings: tuple[AttributeMapping, ...]) -> list[Row]:
        """Note what is wrong with the mappings at ``at``, and return those that can be used."""
        rows: list[Row] = []
        for index, mapping in enumerate(mappings):
            here = f"{at}.{index}"
            definition = self._target(here, mapping)
            source = self._source(here, mapping)
            self._matching(here, mapping)
            if definition is not None and source is not None:
                row = Row(at=here, mapping=mapping, definition=definition, source=source)
                check_together(row, self.object_type, self.findings)
                rows.append(row)
        return rows

    def _target(self, here: str, mapping: AttributeMapping) -> AttributeDefinition | None:
        name, place = mapping.target_attribute_name, f"{here}.targetAttributeName"
        try:
            path = parse_target_path(name)
        except TargetPathError as error:
            message, remedy = f"{name} is not the path of an attribute", f"write {error.expected}"
            self.findings.error(place, "InvalidTargetPath", message, remedy, position=error.position)
            return None
        definition = self.known.get(path.key)
        if definition is None:
            near = get_close_matches(path.key, self.known, n=1)
            remedy = f"use {self.known[near[0]].name}, or remove the mapping" if near else "remove the mapping"
            self.findings.error(place, "UnknownTargetAttribute", f"the target has no attribute {name}", remedy)
            return None
        if path.key in self._taken:
            message = f"{name} is mapped twice, also at {self._taken[path.key]}"
            self.findings.error(place, "DuplicateTarget", message, "remove one of the two mappings")
            return None
        self._taken[path.key] = here
        if definition.anchor or definition.mutability is Mutability.READ_ONLY:
            why = (
                "the anchor, by which the target knows its objects" if definition.anchor else "read-only at the target"
            )
            self.findings.error(place, "NotWritable", f"{name} is {why}", "remove the mapping")
            return None
        return definition

    def _source(self, here: str, mapping: AttributeMapping) -> Source | None:
        place = f"{here}.source"
        text = mapping.source.expression if mapping.source else None
        try:
            source = read_source(mapping)
        except ExpressionError as error:
            where = f"{place}.expression" if text else place
            self.findings.error(
                where, "InvalidExpression", error.message, f"expected {error.expected}", position=error.position
            )
            return None
        said = mapping.source.name if mapping.source else None
        if text and said and said != _name_of(source):
            message = f"the name is {said[:80]}, and the expression says another one"
            self.findings.error(
                f"{place}.name", "SourceDisagrees", message, "correct the one that is wrong, or leave it out"
            )
        known = True
        for name in sorted(source.names):
            if find_source_attribute(self.object_type, name) is None:
                known = False
                self.findings.error(place, "UnknownSourceAttribute", *unknown_attribute(name, self.object_type))
        if source.attribute is None and source.expression is None and not source.constant:
            self.findings.warning(
                place, "NothingFlows", "the mapping has neither a source nor a constant", "remove it: it does nothing"
            )
        return source if known else None

    def _matching(self, here: str, mapping: AttributeMapping) -> None:
        if not mapping.matching_priority:
            return
        name, place = mapping.target_attribute_name, f"{here}.matchingPriority"
        group = self.object_type is ObjectType.GROUP
        allowed = self.capabilities.group_filter_attributes if group else self.capabilities.filter_attributes
        if name.casefold() not in {item.casefold() for item in allowed} and not self.capabilities.custom_attributes:
            message = f"the target cannot be searched by {name}"
            self.findings.error(
                place, "NotFilterable", message, f"match by {' or '.join(allowed) or 'nothing'}, and set this to 0"
            )
        if mapping.matching_priority in self._priorities:
            message = f"two attributes have the matching precedence {mapping.matching_priority}"
            self.findings.error(place, "DuplicatePrecedence", message, "give each its own, 1 first")
        self._priorities[mapping.matching_priority] = here


def _name_of(source: Source) -> str | None:
    """Return the name that Graph gives to a source beside its text."""
    if source.expression is not None:
        tree = source.expression.tree
        return tree.function if isinstance(tree, Call) else None
    return source.attribute or source.constant


def unknown_attribute(name: str, object_type: ObjectType) -> tuple[str, str]:
    """Return what is wrong with an attribute that the source does not have, and what to do."""
    names = SOURCE_ATTRIBUTES[object_type]
    exact = next((item for item in names if item.casefold() == name.casefold()), None)
    near = [exact] if exact else get_close_matches(name, names, n=1)
    remedy = f"use {near[0]}" if near else "use an attribute of Microsoft Graph, or extension_<application id>_<name>"
    return f"{object_type.value}s of the source have no attribute {name}", remedy


def check_together(row: Row, object_type: ObjectType, findings: Findings) -> None:
    """Note what is wrong between a source and its target."""
    mapping, source, place = row.mapping, row.source, f"{row.at}.source"
    name = source.attribute
    if name == APP_ROLE_ASSIGNMENTS:
        message = f"{APP_ROLE_ASSIGNMENTS} cannot be mapped directly"
        remedy = "use SingleAppRoleAssignment or AssertiveAppRoleAssignmentsComplex"
        findings.error(place, "DirectAppRoleAssignments", message, remedy)
    attribute = find_source_attribute(object_type, name) if name else None
    _literals(row, findings)
    _ignored(row, findings)
    refers = row.definition.type is AttributeType.REFERENCE
    if refers and (attribute is None or attribute.nature is not Nature.REFERENCE):
        message = f"{mapping.target_attribute_name} is a reference, and its source is not"
        remedy = "map an attribute of the source that is a reference, such as manager, and no function or constant"
        findings.error(place, "NotAReference", message, remedy)
    if not refers and attribute is not None and attribute.nature is Nature.REFERENCE:
        message = f"{name} is a reference, and {mapping.target_attribute_name} is not"
        findings.error(place, "NotAReference", message, "map it to an attribute of the target that is a reference")
    if refers and mapping.matching_priority:
        message = "a reference cannot be matched by"
        findings.error(f"{row.at}.matchingPriority", "MatchingReference", message, "set this to 0")
    if mapping.matching_priority and row.definition.multivalued:
        message = "a multi-valued attribute cannot be matched by"
        findings.error(f"{row.at}.matchingPriority", "MatchingMultiValued", message, "set this to 0")
    if source.expression is not None:
        _expression(row, object_type, findings)
    if name == MEMBERS and row.definition.multivalued is False:
        message = f"members are many, and {mapping.target_attribute_name} takes one value"
        findings.error(f"{row.at}.targetAttributeName", "MembersNeedMany", message, "map them to members")


def default_of(row: Row) -> str | None:
    """Return what a create gets where the source is empty: what the mapping says, else what a required attribute's definition says."""
    if row.mapping.source is None:
        return None
    return row.mapping.default_value or (row.definition.default_value if _falls_back(row) else None)


def _falls_back(row: Row) -> bool:
    return row.definition.required and row.definition.type is not AttributeType.REFERENCE


def _ignored(row: Row, findings: Findings) -> None:
    """Note properties of Graph that are kept and do nothing here."""
    name = row.mapping.target_attribute_name
    if row.mapping.export_missing_references:
        message = (
            "exportMissingReferences does nothing here: a reference is written as soon as its object has an account"
        )
        findings.warning(f"{row.at}.exportMissingReferences", "IgnoredProperty", message, "set it to false")
    if row.definition.default_value and not _falls_back(row):
        message = f"the defaultValue in the definition of {name} does nothing: it counts where an attribute is required"
        remedy = "set defaultValue of the mapping, or null in the definition"
        findings.warning(f"{row.at}.targetAttributeName", "IgnoredProperty", message, remedy)


def _literals(row: Row, findings: Findings) -> None:
    """Note constants and defaults that their attribute cannot take."""
    convert = converter(row.definition.type, multivalued=row.definition.multivalued)
    source = f"{row.at}.source" if row.mapping.source is not None else f"{row.at}.defaultValue"
    place_of_default = f"{row.at}.defaultValue" if row.mapping.default_value else f"{row.at}.targetAttributeName"
    for place, literal in ((source, row.source.constant), (place_of_default, default_of(row))):
        if not literal:
            continue
        try:
            convert(literal)
        except ConversionError as error:
            findings.error(
                place, "WrongType", f"the value {error}", f"give {row.mapping.target_attribute_name} a fitting one"
            )


def _expression(row: Row, object_type: ObjectType, findings: Findings) -> None:
    expression, place = row.source.expression, f"{row.at}.source.expression"
    assert expression is not None
    for call, inner in _arguments(expression.tree):
        found = find_source_attribute(object_type, inner.name)
        if found is not None and found.nature is Nature.REFERENCE:
            message = f"{inner.name} is a reference, and {call} cannot work with references"
            findings.error(place, "ReferenceInFunction", message, "map the reference directly", position=inner.position)
    create_only = row.mapping.flow_type is FlowType.OBJECT_ADD_ONLY
    if "SelectUniqueValue" in expression.functions:
        if row.mapping.matching_priority:
            message = "SelectUniqueValue cannot be used for a matching attribute"
            findings.error(place, "SelectUniqueValue", message, "match by another attribute")
        if not create_only:
            message = "SelectUniqueValue can only be used when an object is created"
            findings.error(place, "SelectUniqueValue", message, "set flowType to ObjectAddOnly")
    if expression.functions & _RESTLESS and not create_only:
        message = "Now gives another value at each evaluation, so the attribute would be written again and again"
        findings.warning(place, "NeverSettles", message, "set flowType to ObjectAddOnly")
    if row.mapping.matching_priority and expression.random:
        findings.error(place, "MatchingByChance", "a random value cannot be matched by", "match by another attribute")


def _arguments(node: Node, function: str = "") -> list[tuple[str, Attribute]]:
    """Return every attribute in a tree with the function that it is given to."""
    match node:
        case Attribute():
            return [(function, node)] if function else []
        case Call(function=name, arguments=arguments):
            return [pair for argument in arguments for pair in _arguments(argument, name)]
        case Comparison(left=left, right=right):
            return _arguments(left, function) + _arguments(right, function)
    return []


def maps_activity(rows: Sequence[Row]) -> Row | None:
    """Return the row that leaving changes: of those mapped from ``IsSoftDeleted`` the surest one, and of equals the first."""
    return min(reading_activity(rows), key=doubt_of_activity, default=None)


def reading_activity(rows: Sequence[Row]) -> list[Row]:
    """Return the rows mapped from ``IsSoftDeleted``."""
    return [row for row in rows if IS_SOFT_DELETED in row.source.names]


def doubt_of_activity(row: Row) -> int:
    """Return how doubtful it is that this target says whether an account can be used: 0 for ``active``, 1 for a boolean, 2 otherwise."""
    if parse_target_path(row.definition.name).key == "active":
        return 0
    return 1 if row.definition.type is AttributeType.BOOLEAN and not row.definition.multivalued else 2
