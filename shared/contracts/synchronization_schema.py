"""The synchronization schema of a job, in the shape of Microsoft Graph (``synchronizationSchema`` resource type and its parts).

What Entra exports can be read: null stands for the default of a property, enumerations and flags are taken in any casing, annotations
(``@odata.*``) are kept as they came. What is not known here and says something is an error: nothing is dropped in silence.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, PydanticUndefined

E = TypeVar("E", bound=StrEnum)

FORMAT: Final = 1
"""The version of what our own metadata entries mean; a schema that asks for a newer one is refused."""


class SchemaPart(BaseModel):
    """A part of a synchronization schema: immutable, camelCase in JSON, with Entra's annotations kept beside the properties."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="allow",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None or info.field_name is None:
            return value
        field = cls.model_fields[info.field_name]
        default = field.get_default(call_default_factory=True)
        return value if default is PydanticUndefined else default

    @model_validator(mode="after")
    def _knows_what_it_was_told(self) -> "SchemaPart":
        for name, value in (self.model_extra or {}).items():
            if "@" not in name and not _says_nothing(value):
                raise PydanticCustomError(
                    "unknown_property",
                    "holds the property {name}, which is not known here; remove it or set it to null",
                    {"name": name[:80]},
                )
        return self

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(
        self, handler: SerializerFunctionWrapHandler, _: SerializationInfo
    ) -> dict[str, Any]:
        known: dict[str, Any] = handler(self)
        for name, value in (self.model_extra or {}).items():
            if "@" not in name and _says_nothing(value):
                known.pop(name, None)
        return known


def _says_nothing(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _member(kind: type[E]) -> Any:
    """Return ``kind`` as a field: a member by its name in any casing."""
    members = {member.value.casefold(): member for member in kind}

    def read(value: Any) -> Any:
        if isinstance(value, str) and value.casefold() in members:
            return members[value.casefold()]
        raise PydanticCustomError("not_a_member", "must be one of {known}", {"known": ", ".join(kind)})

    return BeforeValidator(read)


def _flags(kind: type[E]) -> tuple[Any, Any]:
    """Return ``kind`` as a field of flags: ``"Add, Update"`` in JSON, a tuple in the order of the enumeration here; ``"None"`` is empty."""
    members = {member.value.casefold(): member for member in kind}

    def read(value: Any) -> Any:
        if isinstance(value, str):
            value = [
                part for part in (part.strip() for part in value.split(",")) if part.casefold() not in {"", "none"}
            ]
        if not isinstance(value, list | tuple) or any(str(item).casefold() not in members for item in value):
            raise PydanticCustomError("not_flags", "must name some of {known}, with commas", {"known": ", ".join(kind)})
        chosen = {members[str(item).casefold()] for item in value}
        return tuple(member for member in kind if member in chosen)

    return BeforeValidator(read), PlainSerializer(lambda value: ", ".join(value) or "None", return_type=str)


class AttributeType(StrEnum):
    """Types of attributes (Graph ``attributeDefinition``)."""

    STRING = "String"
    INTEGER = "Integer"
    REFERENCE = "Reference"
    BINARY = "Binary"
    BOOLEAN = "Boolean"
    DATE_TIME = "DateTime"


class Mutability(StrEnum):
    """Whether an attribute can be written (Graph ``attributeDefinition``)."""

    READ_WRITE = "ReadWrite"
    READ_ONLY = "ReadOnly"
    IMMUTABLE = "Immutable"
    WRITE_ONLY = "WriteOnly"


class FlowType(StrEnum):
    """When a mapping applies (Graph ``attributeMapping``)."""

    ALWAYS = "Always"
    OBJECT_ADD_ONLY = "ObjectAddOnly"
    MULTI_VALUE_ADD_ONLY = "MultiValueAddOnly"
    VALUE_ADD_ONLY = "ValueAddOnly"
    ATTRIBUTE_ADD_ONLY = "AttributeAddOnly"


class FlowBehavior(StrEnum):
    """Whether a value flows when it changed, or with every update of its object (Graph ``attributeMapping``)."""

    FLOW_WHEN_CHANGED = "FlowWhenChanged"
    FLOW_ALWAYS = "FlowAlways"


class ObjectFlow(StrEnum):
    """What may be done with objects at the target: Create, Update, Delete in the portal (Graph ``objectMapping.flowTypes``)."""

    ADD = "Add"
    UPDATE = "Update"
    DELETE = "Delete"


class SourceType(StrEnum):
    """Kinds of mappings (Graph ``attributeMappingSource.type``)."""

    ATTRIBUTE = "Attribute"
    CONSTANT = "Constant"
    FUNCTION = "Function"


class Discoverability(StrEnum):
    """What of a directory can be discovered (Graph ``directoryDefinition``)."""

    ATTRIBUTE_NAMES = "AttributeNames"
    ATTRIBUTE_DATA_TYPES = "AttributeDataTypes"
    ATTRIBUTE_READ_ONLY = "AttributeReadOnly"
    REFERENCE_ATTRIBUTES = "ReferenceAttributes"


_READ_FLOWS, _SHOW_FLOWS = _flags(ObjectFlow)
_READ_DISCOVERABILITIES, _SHOW_DISCOVERABILITIES = _flags(Discoverability)
Text = Annotated[str, Field(max_length=2_000)]
Name = Annotated[str, Field(min_length=1, max_length=400)]


class MetadataEntry(SchemaPart):
    """A key and a value (Graph ``metadataEntry``)."""

    key: Text
    value: Annotated[str, Field(max_length=10_000)] = ""


Metadata = tuple[MetadataEntry, ...]


class ReferencedObject(SchemaPart):
    """What a reference points to (Graph ``referencedObject``)."""

    referenced_object_name: Text | None = None
    referenced_property: Text | None = None


class AttributeDefinition(SchemaPart):
    """One attribute of an object of a directory (Graph ``attributeDefinition``)."""

    name: Name
    type: Annotated[AttributeType, _member(AttributeType)] = AttributeType.STRING
    anchor: bool = False
    api_expressions: tuple[dict[str, Any], ...] = ()
    case_exact: bool = False
    default_value: Text | None = None
    flow_null_values: bool = False
    metadata: Metadata = ()
    multivalued: bool = False
    mutability: Annotated[Mutability, _member(Mutability)] = Mutability.READ_WRITE
    referenced_objects: tuple[ReferencedObject, ...] = ()
    required: bool = False


class ObjectDefinition(SchemaPart):
    """One kind of object of a directory, such as ``User`` (Graph ``objectDefinition``)."""

    name: Name
    attributes: tuple[AttributeDefinition, ...] = ()
    metadata: Metadata = ()
    supported_apis: tuple[Text, ...] = ()


class DirectoryDefinition(SchemaPart):
    """One of the two directories that are kept in step (Graph ``directoryDefinition``)."""

    id: Text = ""
    name: Name
    objects: tuple[ObjectDefinition, ...] = ()
    discoverabilities: Annotated[tuple[Discoverability, ...], _READ_DISCOVERABILITIES, _SHOW_DISCOVERABILITIES] = ()
    discovery_date_time: Text | None = None
    metadata: Metadata = ()
    read_only: bool = False
    version: Text | None = None


class SourceParameter(SchemaPart):
    """One argument of a function: its name, and what it is; null is an argument that is left out."""

    key: Text = ""
    value: "AttributeMappingSource | None" = None


class AttributeMappingSource(SchemaPart):
    """Where a value comes from, as text (``expression``) and taken apart (Graph ``attributeMappingSource``)."""

    expression: Annotated[str, Field(max_length=20_000)] | None = None
    name: Annotated[str, Field(max_length=20_000)] | None = None
    type: Annotated[SourceType, _member(SourceType)] = SourceType.ATTRIBUTE
    parameters: tuple[SourceParameter, ...] = ()


class AttributeMapping(SchemaPart):
    """How one attribute of the target gets its value (Graph ``attributeMapping``).

    ``matching_priority`` above zero makes it a matching attribute, and the lowest is tried first. Without a ``source`` the mapping is a
    constant, its ``default_value``.
    """

    target_attribute_name: Name
    source: AttributeMappingSource | None = None
    default_value: Annotated[str, Field(max_length=10_000)] | None = None
    export_missing_references: bool = False
    flow_behavior: Annotated[FlowBehavior, _member(FlowBehavior)] = FlowBehavior.FLOW_WHEN_CHANGED
    flow_type: Annotated[FlowType, _member(FlowType)] = FlowType.ALWAYS
    matching_priority: Annotated[int, Field(ge=0, le=1_000)] = 0


class FilterOperand(SchemaPart):
    """What a clause compares with (Graph ``filterOperand``)."""

    values: tuple[Annotated[str, Field(max_length=10_000)], ...] = ()


class FilterClause(SchemaPart):
    """One condition (Graph ``filterClause``)."""

    source_operand_name: Name
    operator_name: Name
    target_operand: FilterOperand = FilterOperand()


class FilterGroup(SchemaPart):
    """Conditions that all have to hold (Graph ``filterGroup``)."""

    name: Text = ""
    clauses: Annotated[tuple[FilterClause, ...], Field(max_length=1_000)] = ()


class Filter(SchemaPart):
    """Groups of conditions of which one has to hold (Graph ``filter``): who is in scope, who is read, who belongs to this mapping."""

    groups: tuple[FilterGroup, ...] = ()
    input_filter_groups: tuple[FilterGroup, ...] = ()
    category_filter_groups: tuple[FilterGroup, ...] = ()


class ObjectMapping(SchemaPart):
    """How objects of one kind become objects of the target (Graph ``objectMapping``)."""

    name: Text = ""
    enabled: bool = True
    source_object_name: Name
    target_object_name: Name
    attribute_mappings: Annotated[tuple[AttributeMapping, ...], Field(max_length=1_000)] = ()
    flow_types: Annotated[tuple[ObjectFlow, ...], _READ_FLOWS, _SHOW_FLOWS] = tuple(ObjectFlow)
    metadata: Metadata = ()
    scope: Filter | None = None


class SynchronizationRule(SchemaPart):
    """The mappings between two directories (Graph ``synchronizationRule``); the lowest ``priority`` comes first."""

    id: Text = ""
    name: Text = ""
    editable: bool = True
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0
    source_directory_name: Text = ""
    target_directory_name: Text = ""
    container_filter: dict[str, Any] | None = None
    group_filter: dict[str, Any] | None = None
    metadata: Metadata = ()
    object_mappings: tuple[ObjectMapping, ...] = ()


class SynchronizationSchema(SchemaPart):
    """The whole schema of a job (Graph ``synchronizationSchema``)."""

    id: Text | None = None
    version: Text | None = None
    directories: tuple[DirectoryDefinition, ...] = ()
    metadata: Metadata = ()
    provisioning_task_identifier: Text | None = None
    synchronization_rules: tuple[SynchronizationRule, ...] = ()

    def directory(self, name: str) -> DirectoryDefinition | None:
        """Return the directory of this name, or nothing."""
        return next((directory for directory in self.directories if directory.name == name), None)

    def document(self) -> dict[str, Any]:
        """Return the schema as JSON values, every property written out; reading it again gives an equal schema."""
        return self.model_dump(mode="json", by_alias=True)
