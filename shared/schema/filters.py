"""Scoping filters: one of the groups has to hold, and a group holds when each of its clauses does. Pure, each object by itself.

``groups`` decide who is in scope (leaving deprovisions), ``inputFilterGroups`` who is read at all (leaving changes nothing),
``categoryFilterGroups`` whether an object belongs to this object mapping. A filter without groups lets everybody pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import Filter, FilterClause, FilterGroup
from shared.schema.conversion import as_text, is_empty
from shared.schema.expressions.dotnet_regex import compile_pattern
from shared.schema.filter_operators import INTEGER, Kind, Operator, find_operator
from shared.schema.source_attributes import find_source_attribute

Record = Mapping[str, Any]
Test = Callable[[Record], bool]


class FilterEvaluationError(Exception):
    """A clause could not be decided for one object: a pattern took too long.

    ``sentence`` is the clause, without any value of the object.
    """

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(f"{sentence}: {reason}")
        self.sentence = sentence
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterResult:
    """Whether one of the groups holds, and every clause that does not."""

    passed: bool
    failed: tuple[str, ...] = ()


PASSED: Final = FilterResult(passed=True)


@dataclass(frozen=True, slots=True)
class CompiledClause:
    """One clause, ready for any number of objects."""

    sentence: str
    test: Test

    def holds(self, record: Record) -> bool:
        """Return whether it holds; raises ``FilterEvaluationError`` when that could not be found out."""
        try:
            return self.test(record)
        except TimeoutError:
            reason = "the regular expression took too long on this object's value; make it simpler and anchor it with ^ and $"
            raise FilterEvaluationError(self.sentence, reason) from None
        except ValueError:
            raise FilterEvaluationError(self.sentence, "this object's value is too long to be compared") from None


@dataclass(frozen=True, slots=True)
class CompiledGroups:
    """Groups of clauses. Nothing is decided when there are none: everybody passes."""

    groups: tuple[tuple[CompiledClause, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.groups)

    def evaluate(self, record: Record) -> FilterResult:
        """Return whether one group holds, and otherwise each clause that does not.

        Raises ``FilterEvaluationError`` when no group holds and at least one could not be decided: nobody in scope is put out by that.
        """
        if not self.groups:
            return PASSED
        failed: list[str] = []
        undecided: FilterEvaluationError | None = None
        for group in self.groups:
            try:
                wrong = [clause.sentence for clause in group if not clause.holds(record)]
            except FilterEvaluationError as error:
                undecided = undecided or error
                continue
            if not wrong:
                return PASSED
            failed.extend(wrong)
        if undecided is not None:
            raise undecided
        return FilterResult(passed=False, failed=tuple(dict.fromkeys(failed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFilter:
    """The three filters of an object mapping, and the names of the attributes that they look at."""

    scope: CompiledGroups = CompiledGroups()
    input: CompiledGroups = CompiledGroups()
    category: CompiledGroups = CompiledGroups()
    attributes: frozenset[str] = frozenset()


def compile_filter(filter_: Filter | None, object_type: ObjectType) -> CompiledFilter:
    """Return a filter that ``checks`` has found nothing wrong with; raises ``ValueError`` for one that was not checked."""
    if filter_ is None:
        return CompiledFilter()
    every = (*filter_.groups, *filter_.input_filter_groups, *filter_.category_filter_groups)
    return CompiledFilter(
        scope=_groups(filter_.groups, object_type),
        input=_groups(filter_.input_filter_groups, object_type),
        category=_groups(filter_.category_filter_groups, object_type),
        attributes=frozenset(clause.source_operand_name for group in every for clause in group.clauses),
    )


def _groups(groups: Sequence[FilterGroup], object_type: ObjectType) -> CompiledGroups:
    return CompiledGroups(
        tuple(
            tuple(_clause(group.name, clause, object_type) for clause in group.clauses)
            for group in groups
            if group.clauses
        )
    )


def sentence_of(title: str, clause: FilterClause) -> str:
    """Return a clause in words: ``{filter title} {attribute} {operator} {value}``."""
    operator = find_operator(clause.operator_name)
    words = (
        title,
        clause.source_operand_name,
        operator.name if operator else clause.operator_name,
        " ".join(clause.target_operand.values),
    )
    return " ".join(word for word in words if word)


def _clause(title: str, clause: FilterClause, object_type: ObjectType) -> CompiledClause:
    operator = find_operator(clause.operator_name)
    attribute = find_source_attribute(object_type, clause.source_operand_name)
    if operator is None or attribute is None:
        raise ValueError(f"the filter {sentence_of(title, clause)} was not checked before it was compiled")
    return CompiledClause(sentence_of(title, clause), _test(operator, attribute.value, clause.target_operand.values))


def _test(operator: Operator, read: Callable[[Record], Any], operands: Sequence[str]) -> Test:
    expected = operator.expected
    match operator.kind:
        case Kind.PRESENCE:
            return lambda record: is_empty(read(record)) is not expected
        case Kind.BOOLEAN:
            word = "true" if expected else "false"
            return lambda record: as_text(read(record)).casefold() == word
        case Kind.PATTERN:
            patterns = [compile_pattern(operand) for operand in operands]

            def matches(text: str) -> bool:
                return any(pattern.search(text) for pattern in patterns) is expected

            return _on_text(read, matches)
    compare = operator.compare
    assert compare is not None, "every other operator compares"
    if operator.kind is Kind.SIZE:
        return _on_text(
            read, lambda text: bool(INTEGER.fullmatch(text)) and all(compare(text, operand) for operand in operands)
        )
    if operator.negative:
        return _on_text(read, lambda text: all(compare(text, operand) for operand in operands))
    return _on_text(read, lambda text: any(compare(text, operand) for operand in operands))


def _on_text(read: Callable[[Record], Any], holds: Callable[[str], bool]) -> Test:
    """Apply the null rule: nothing holds on a value that is null or empty."""

    def test(record: Record) -> bool:
        value = read(record)
        return not is_empty(value) and holds(as_text(value))

    return test
