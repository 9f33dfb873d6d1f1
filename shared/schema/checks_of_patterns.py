"""How much there is of regular expressions in a schema: each takes long to compile, so they are measured before any is."""

from collections.abc import Iterator
from typing import Final

from shared.contracts.synchronization_schema import AttributeMappingSource, Filter, SynchronizationSchema
from shared.schema.expressions import FUNCTIONS, ExpressionError, Node
from shared.schema.expressions.tree import Call, Comparison, Text
from shared.schema.filter_operators import Kind, find_operator
from shared.schema.findings import Findings
from shared.schema.sources import tree_of

MOST_PATTERN_CHARACTERS: Final = 64 * 1024
_PATTERN: Final = "regexPattern"


def check_patterns(schema: SynchronizationSchema, findings: Findings) -> bool:
    """Return whether the regular expressions of a schema may be compiled; note it when they are too long, all in all."""
    characters = 0
    for rule in schema.synchronization_rules:
        for mapping in rule.object_mappings:
            characters += sum(map(len, _of_filter(mapping.scope)))
            sources = [row.source for row in mapping.attribute_mappings if row.source is not None]
            characters += sum(len(pattern) for source in sources for pattern in _of_source(source))
    if characters <= MOST_PATTERN_CHARACTERS:
        return True
    message = (
        f"the regular expressions of filters and mappings have {characters:,} characters, and "
        f"{MOST_PATTERN_CHARACTERS:,} are allowed all in all"
    )
    findings.error("synchronizationRules", "PatternsTooLong", message, "shorten them; nothing else was looked at")
    return False


def _of_filter(filter_: Filter | None) -> Iterator[str]:
    if filter_ is None:
        return
    for group in (*filter_.groups, *filter_.input_filter_groups, *filter_.category_filter_groups):
        for clause in group.clauses:
            operator = find_operator(clause.operator_name)
            if operator is not None and operator.kind is Kind.PATTERN:
                yield from clause.target_operand.values


def _of_source(source: AttributeMappingSource) -> Iterator[str]:
    try:
        yield from _of_tree(tree_of(source))
    except ExpressionError:
        return  # it is refused where it stands, and compiled nowhere


def _of_tree(node: Node) -> Iterator[str]:
    match node:
        case Comparison(left=left, right=right):
            yield from _of_tree(left)
            yield from _of_tree(right)
        case Call(function=name, arguments=arguments):
            function = FUNCTIONS.get(name)
            names = [parameter.name for parameter in function.parameters] if function else []
            for index, argument in enumerate(arguments):
                if isinstance(argument, Text) and index < len(names) and names[index] == _PATTERN:
                    yield argument.text
                else:
                    yield from _of_tree(argument)
