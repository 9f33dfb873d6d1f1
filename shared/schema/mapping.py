"""What a mapping makes of one object: values by path at the target, references, and what came in between. Pure, no clock, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.contracts.changes import MatchingValue
from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import AttributeType, FlowBehavior, FlowType, ObjectFlow
from shared.schema.conversion import ConversionError, Convert, as_text, is_empty
from shared.schema.expressions import (
    IGNORE_ATTRIBUTE,
    IGNORE_OBJECT,
    AllValuesUsed,
    EvaluationContext,
    EvaluationError,
    Expression,
)
from shared.schema.filters import CompiledFilter
from shared.schema.options import Deprovisioning, Event
from shared.schema.source_attributes import IS_SOFT_DELETED, SourceAttribute

Record = Mapping[str, Any]
NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedAttribute:
    """One attribute mapping, ready for any number of objects. ``path`` is the path at the target; ``source`` is shown to people.

    ``redact`` keeps old and new value out of everything that people or other teams read. ``default`` flows only with a create.
    """

    path: str
    source: str
    type: AttributeType
    multivalued: bool
    case_exact: bool
    required: bool
    flow_type: FlowType
    flow_behavior: FlowBehavior
    flow_null_values: bool
    matching_priority: int
    redact: bool
    default: Any
    convert: Convert
    lookup: str | None
    attribute: SourceAttribute | None
    constant: Any
    expression: Expression | None
    reads: tuple[SourceAttribute, ...]

    @property
    def reference(self) -> bool:
        """Return whether its value is another object, which is written by that object's id at the target."""
        return self.type is AttributeType.REFERENCE

    def differs(self, old: Any, new: Any) -> bool:
        """Return whether ``new`` is another value than ``old``: only in case counts where the attribute is ``caseExact``."""
        return old != new and (self.case_exact or _folded(old) != _folded(new))

    def produce(self, record: Record, context: EvaluationContext) -> Any:
        """Return the raw value for one object; raises ``EvaluationError``."""
        if self.expression is not None:
            if self.expression.random:
                context = replace(context, seed=f"{context.seed}/{self.path}")
            return self.expression.evaluate({item.name: item.value(record) for item in self.reads}, context)
        return self.attribute.value(record) if self.attribute is not None else self.constant


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.casefold()
    return [_folded(item) for item in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFailure:
    """A mapping that has no result for one object: its value at the target stays as it is. ``reason`` holds no value of the object.

    ``values_used`` says that every candidate of ``SelectUniqueValue`` is taken at the target: another attempt may find one free.
    """

    path: str
    source: str
    reason: str
    values_used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What the mapping makes of one object.

    ``values`` are the values by path, never null or empty. ``references`` are ids of source objects by path. ``defaults`` are for a
    create, where the source has nothing. ``cleared`` are paths that the source has emptied and that flow as a removal; only what we wrote
    there is removed. ``missing`` are required paths without a value, for which nothing is created. ``ignored`` are paths that an expression
    left alone, and ``ignored_object`` says that one of them left the whole object alone. ``matching`` holds the values to match by.
    """

    values: dict[str, Any]
    matching: tuple[MatchingValue, ...]
    references: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    cleared: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    ignored_object: bool = False
    failures: tuple[AttributeFailure, ...] = ()

    def for_create(self) -> dict[str, Any]:
        """Return the values of a create: with the defaults."""
        return {**self.defaults, **self.values} if self.defaults else self.values


@dataclass(slots=True)
class _Gathering:
    """What of one object is not simply a value; made only when something is."""

    references: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    cleared: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    ignored_object: bool = False
    failures: list[AttributeFailure] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledObjectMapping:
    """The mapping of users or of groups, ready for any number of objects.

    ``attributes`` holds every mapped path with its flow type and flow behavior. ``active_path`` is the path that an object's leaving sets
    (the one mapped from ``IsSoftDeleted``), nothing when there is none: such a target cannot be disabled. ``members_path`` is where
    members of a group go, nothing when they are not mapped. ``flows`` are the target object actions that are allowed.
    """

    object_type: ObjectType
    name: str
    enabled: bool
    flows: frozenset[ObjectFlow]
    attributes: Mapping[str, MappedAttribute]
    matching: tuple[str, ...]
    filter: CompiledFilter
    active_path: str | None
    members_path: str | None
    redacted: frozenset[str]
    keep_managing_released_links: bool
    deprovisioning: Mapping[Event, Deprovisioning]
    source_attributes: tuple[str, ...]
    rows: tuple[MappedAttribute, ...]

    @property
    def redacted_sources(self) -> frozenset[str]:
        """Return the Microsoft Graph properties that a mapping reads whose value is shown to nobody."""
        return frozenset(
            item.graph_property for row in self.rows if row.redact for item in row.reads if item.graph_property
        )

    def evaluate(self, record: Record, context: EvaluationContext) -> Mapped:
        """Return what this mapping makes of one object.

        ``record`` are its Microsoft Graph properties, whole and never a delta, with ``IsSoftDeleted`` and ``appRoleAssignments`` as diff
        computes them. Never raises for a value: what one attribute cannot make stands in ``failures``.
        """
        values: dict[str, Any] = {}
        rest: _Gathering | None = None
        for row in self.rows:
            if row.lookup is not None:
                value = record.get(row.lookup)
                if value.__class__ is str and value:
                    values[row.path] = value
                    continue
            elif row.constant is not None:
                values[row.path] = row.constant
                continue
            rest = _take(row, record, context, values, rest or _Gathering())
        matching = tuple(
            [MatchingValue(attribute=path, value=as_text(values[path])) for path in self.matching if path in values]
        )
        if rest is None:
            return Mapped(values=values, matching=matching)
        return Mapped(
            values=values,
            matching=matching,
            references=rest.references,
            defaults=rest.defaults,
            cleared=tuple(rest.cleared),
            missing=tuple(rest.missing),
            ignored=tuple(rest.ignored),
            ignored_object=rest.ignored_object,
            failures=tuple(rest.failures),
        )

    def active_value(self, record: Record, context: EvaluationContext, *, leaves: bool) -> Any:
        """Return what ``active_path`` gets when the object stays or leaves; nothing without such a path. Raises ``EvaluationError``."""
        if self.active_path is None:
            return None
        row = self.attributes[self.active_path]
        return row.convert(row.produce({**record, IS_SOFT_DELETED: leaves}, context))


def _take(
    row: MappedAttribute, record: Record, context: EvaluationContext, values: dict[str, Any], rest: _Gathering
) -> _Gathering:
    """Put the value of one row where it belongs."""
    try:
        value = row.produce(record, context)
        if value is IGNORE_ATTRIBUTE:
            rest.ignored.append(row.path)
            return rest
        if value is IGNORE_OBJECT:
            rest.ignored_object = True
            return rest
        if not is_empty(value):
            value = row.convert(value)
    except (EvaluationError, ConversionError) as error:
        used = isinstance(error, AllValuesUsed)
        rest.failures.append(AttributeFailure(path=row.path, source=row.source, reason=str(error), values_used=used))
        if row.required:
            rest.missing.append(row.path)
        return rest
    if not is_empty(value):
        (rest.references if row.reference else values)[row.path] = value
        return rest
    if row.default is not None:
        rest.defaults[row.path] = row.default
    elif row.required:
        rest.missing.append(row.path)
    if row.flow_null_values:
        rest.cleared.append(row.path)
    return rest
