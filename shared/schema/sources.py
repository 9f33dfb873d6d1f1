"""Where the value of an attribute mapping comes from: an attribute, a constant or an expression, read from Graph's ``source``."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from shared.contracts.synchronization_schema import AttributeMapping, AttributeMappingSource, SourceType
from shared.schema.expressions import Expression, Node, compile_expression, from_source, to_source
from shared.schema.expressions.tree import Attribute, Text, print_tree

compiled: Final = lru_cache(maxsize=256)(compile_expression)
"""``compile_expression``, each text of a schema mostly once; one of 10,000 characters may keep 600 kB. It raises ``ExpressionError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a value comes from; one of the three is there, or none for a mapping of kind None, which leaves its target alone."""

    attribute: str | None = None
    constant: str | None = None
    expression: Expression | None = None
    text: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the attributes that it reads."""
        if self.attribute is not None:
            return frozenset({self.attribute})
        return self.expression.attributes if self.expression else frozenset()


def read_source(mapping: AttributeMapping) -> Source:
    """Return the source of a mapping; raises ``ExpressionError`` where its text is no expression."""
    source = mapping.source
    if source is None or (source.type is SourceType.CONSTANT and not source.name and not source.expression):
        return Source(constant=mapping.default_value, text=_literal(mapping.default_value))
    if source.type is SourceType.CONSTANT:
        text = _constant(source)
        return Source(constant=text, text=_literal(text))
    tree = tree_of(source)
    match tree:
        case Attribute(name=name):
            return Source(attribute=name, text=f"[{name}]")
        case Text(text=text):
            return Source(constant=text, text=_literal(text))
    text = source.expression or print_tree(tree)
    return Source(expression=compiled(text), text=text)


def tree_of(source: AttributeMappingSource) -> Node:
    """Return the tree of a source: its ``expression`` decides where it is there, its parts otherwise. Raises ``ExpressionError``."""
    return from_source(source.model_dump(mode="json", by_alias=True))


def parsed(source: AttributeMappingSource) -> AttributeMappingSource:
    """Return a source as Entra writes it, taken apart, where only its text was given. Raises ``ExpressionError``."""
    if source.parameters or source.type is SourceType.CONSTANT or (source.name and source.expression):
        return source
    tree = tree_of(source)
    made = AttributeMappingSource.model_validate(to_source(tree))
    return made.model_copy(update={"expression": source.expression}) if source.expression else made


def _constant(source: AttributeMappingSource) -> str:
    if source.name is not None:
        return source.name
    text = (source.expression or "").strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text


def _literal(text: str | None) -> str:
    return "" if text is None else print_tree(Text(text=text))
