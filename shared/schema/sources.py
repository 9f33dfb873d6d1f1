"""Where the value of an attribute mapping comes from: an attribute, a constant or an expression, read from Graph's ``source``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import AttributeMapping, AttributeMappingSource, SourceParameter, SourceType
from shared.schema.expressions import Expression, compile_expression
from shared.schema.source_attributes import SourceAttribute, find_source_attribute

LONGEST_EXPRESSION: Final = 10_000
_REPLACE_KEYS: Final[Mapping[str, int]] = {"source": 0, "Find": 1, "Replacement": 4}
"""Entra writes the arguments of Replace by names of its own; the others are left out."""

compiled: Final = lru_cache(maxsize=2048)(compile_expression)
"""``compile_expression``, each text once; it raises ``ExpressionError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a value comes from; exactly one of the three is there, or none for a mapping of kind None, which leaves its target alone."""

    attribute: str | None = None
    constant: str | None = None
    expression: Expression | None = None
    text: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the attributes that it reads."""
        if self.attribute is not None:
            return frozenset({self.attribute})
        return frozenset(self.expression.attributes) if self.expression else frozenset()


def read_source(mapping: AttributeMapping) -> Source:
    """Return the source of a mapping; raises ``ExpressionError`` where its text is no expression."""
    source = mapping.source
    if source is None or (source.type is SourceType.CONSTANT and not source.name and not source.expression):
        return Source(constant=mapping.default_value, text=f'"{mapping.default_value}"' if mapping.default_value else "")
    if source.type is SourceType.CONSTANT:
        return Source(constant=_constant(source), text=expression_text(source))
    text = expression_text(source)
    name = _bare_attribute(text)
    if name is not None:
        return Source(attribute=name, text=text)
    return Source(expression=compiled(text), text=text)


def _bare_attribute(text: str) -> str | None:
    inner = text.strip()
    if inner.startswith("[") and inner.endswith("]") and "]" not in inner[:-1] and "[" not in inner[1:]:
        return inner[1:-1].strip()
    return None


def _constant(source: AttributeMappingSource) -> str:
    if source.name is not None:
        return source.name
    text = (source.expression or "").strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text


def expression_text(source: AttributeMappingSource) -> str:
    """Return the text of a source: ``expression`` where it is there, and otherwise the text that its parts stand for."""
    if source.expression:
        return source.expression
    name = source.name or ""
    if source.type is SourceType.ATTRIBUTE:
        return f"[{name}]"
    if source.type is SourceType.CONSTANT:
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name}({', '.join(_arguments(name, source.parameters))})"


def _arguments(function: str, parameters: Iterable[SourceParameter]) -> list[str]:
    given = list(parameters)
    if function == "Replace" and any(parameter.key in {"Find", "Replacement"} for parameter in given):
        placed = [""] * 7
        for parameter in given:
            if parameter.key in _REPLACE_KEYS and parameter.value is not None:
                placed[_REPLACE_KEYS[parameter.key]] = expression_text(parameter.value)
        return placed
    return ["" if parameter.value is None else expression_text(parameter.value) for parameter in given]


def source_attributes_of(source: Source, object_type: ObjectType) -> tuple[SourceAttribute, ...]:
    """Return the attributes that a source reads, without those that are not known."""
    found = (find_source_attribute(object_type, name) for name in sorted(source.names))
    return tuple(attribute for attribute in found if attribute is not None)
