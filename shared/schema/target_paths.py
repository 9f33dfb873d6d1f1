"""Paths of attributes at the target, as Entra's mappings write them (RFC 7644, section 3.10, with one ``eq`` as the only filter).

``userName``, ``name.givenName``, ``emails[type eq "work"].value``, ``roles[primary eq "True"].value``, and each of them after the URN of
its schema: ``urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department``.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

CORE_SCHEMAS: Final = (
    "urn:ietf:params:scim:schemas:core:2.0:user",
    "urn:ietf:params:scim:schemas:core:2.0:group",
)
LONGEST_PATH: Final = 400
_NAME: Final = re.compile(r"[A-Za-z$][A-Za-z0-9_$-]*")
_SCHEMA: Final = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:[A-Za-z0-9()+,\-.:=@;$_!*'%/]+", re.IGNORECASE)
_EQ: Final = re.compile(r"\s+eq\s+", re.IGNORECASE)
_VALUE: Final = re.compile(r'"((?:[^"\\]|\\["\\/])*)"|(true|false|[0-9]{1,9})', re.IGNORECASE)


class TargetPathError(ValueError):
    """A text is no path of an attribute. ``position`` is the character that does not fit, counted from 1."""

    def __init__(self, offset: int, expected: str) -> None:
        super().__init__(f"position {offset + 1}: expected: {expected}")
        self.position = offset + 1
        self.expected = expected


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFilter:
    """The one element of a multi-valued attribute that is meant: ``attribute`` equals ``value``."""

    attribute: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPath:
    """A path, taken apart. ``schema`` is the URN of an extension; the core schemas are left out, as SCIM allows."""

    attribute: str
    schema: str | None = None
    filter: ValueFilter | None = None
    sub_attribute: str | None = None

    @property
    def key(self) -> str:
        """Return the same text for every spelling of one attribute: names have no case in SCIM (RFC 7643, section 2.1)."""
        text = f"{self.schema.casefold()}:" if self.schema else ""
        text += self.attribute.casefold()
        if self.filter:
            text += f"[{self.filter.attribute.casefold()} eq {self.filter.value!r}]"
        return text + (f".{self.sub_attribute.casefold()}" if self.sub_attribute else "")

    @property
    def root(self) -> str:
        """Return the key of the whole attribute, without filter and sub-attribute."""
        return TargetPath(attribute=self.attribute, schema=self.schema).key


@lru_cache(maxsize=4096)
def parse_target_path(text: str) -> TargetPath:
    """Return the parts of ``text``; raises ``TargetPathError`` with the place that does not fit."""
    if len(text) > LONGEST_PATH:
        raise TargetPathError(LONGEST_PATH, f"a path of at most {LONGEST_PATH} characters")
    schema, start = _schema(text)
    attribute, position = _name(text, start, "the name of an attribute")
    value_filter = None
    if text[position : position + 1] == "[":
        value_filter, position = _filter(text, position + 1)
    sub_attribute = None
    if text[position : position + 1] == ".":
        sub_attribute, position = _name(text, position + 1, "the name of a sub-attribute")
    if position < len(text):
        raise TargetPathError(position, "the end of the path" if sub_attribute else '".", "[" or the end of the path')
    return TargetPath(attribute=attribute, schema=schema, filter=value_filter, sub_attribute=sub_attribute)


def _schema(text: str) -> tuple[str | None, int]:
    if text[:4].casefold() != "urn:":
        return None, 0
    head = text.partition("[")[0]
    end = head.rfind(":")
    schema = head[:end]
    if not _SCHEMA.fullmatch(schema):
        raise TargetPathError(0, "the URN of a schema, a colon and the name of an attribute")
    return (None if schema.casefold() in CORE_SCHEMAS else schema), end + 1


def _name(text: str, start: int, expected: str) -> tuple[str, int]:
    found = _NAME.match(text, start)
    if found is None:
        raise TargetPathError(start, expected)
    return found.group(), found.end()


def _filter(text: str, start: int) -> tuple[ValueFilter, int]:
    attribute, position = _name(text, start, "the name of a sub-attribute")
    operator = _EQ.match(text, position)
    if operator is None:
        raise TargetPathError(position, '" eq " and a value, such as [type eq "work"]')
    value = _VALUE.match(text, operator.end())
    if value is None:
        raise TargetPathError(operator.end(), 'a value in double quotes, such as "work"')
    if text[value.end() : value.end() + 1] != "]":
        raise TargetPathError(value.end(), '"]"')
    quoted, bare = value.groups()
    return ValueFilter(attribute=attribute, value=bare or re.sub(r"\\(.)", r"\1", quoted)), value.end() + 1
