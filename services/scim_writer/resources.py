"""Flat SCIM paths and nested resources: both directions, the PATCH operations between them, and fingerprints. Pure.

A flat resource maps attribute paths (RFC 7644, section 3.10; value paths with one ``eq`` as in section 3.5.2) to values, for example
``name.givenName``, ``emails[type eq "work"].value``, ``urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import orjson

from services.scim_writer.dialects.dialect import Dialect

CORE_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
MANAGER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
"""A reference: flat, its value is the id of another account at the target; nested, an object with that id as ``value``."""

_PATH: Final = re.compile(
    r'(?:(?P<schema>urn:[^\[\]"]*):)?(?P<attribute>[A-Za-z$][\w$-]*)'
    r'(?:\[(?P<key>[A-Za-z$][\w$-]*) eq "(?P<selected>[^"\\]*)"\])?(?:\.(?P<sub>[A-Za-z$][\w$-]*))?'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A parsed path. ``schema`` is the URN of an extension, ``key``/``selected`` the one condition of a value path."""

    schema: str | None
    attribute: str
    key: str | None
    selected: str | None
    sub: str | None

    @property
    def element(self) -> str:
        """Return the path of the selected element of a multi-valued attribute, without the sub-attribute."""
        return f'{self.plural}[{self.key} eq "{self.selected}"]'

    @property
    def plural(self) -> str:
        """Return the path of the attribute as a whole."""
        return f"{self.schema}:{self.attribute}" if self.schema else self.attribute


@lru_cache(maxsize=1024)
def parse_path(path: str) -> Path:
    """Return the parts of ``path``; raise ``ValueError`` for one that this grammar does not know."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError("a mapped attribute path cannot be understood; correct the mapping")
    schema = match["schema"]
    return Path(
        schema=None if schema in (CORE_USER, CORE_GROUP) else schema,
        attribute=match["attribute"],
        key=match["key"],
        selected=match["selected"],
        sub=match["sub"],
    )


def nested(flat: Mapping[str, Any], core: str = CORE_USER) -> dict[str, Any]:
    """Return the resource as SCIM sends it, with the ``schemas`` that it uses. Attributes without a value are left out.

    ``core`` is the schema of the resource type.

    Raises ``ValueError`` when two paths contradict each other (``name`` beside ``name.givenName``).
    """
    schemas = [core]
    resource: dict[str, Any] = {"schemas": schemas}
    for text, value in flat.items():
        if value is None:
            continue
        path = parse_path(text)
        holder = resource
        if path.schema:
            if path.schema not in resource:
                schemas.append(path.schema)
            holder = _inner(resource, path.schema)
        if path.key is not None:
            _set_element(holder.setdefault(path.attribute, []), path, value)
        elif path.sub is not None:
            _inner(holder, path.attribute)[path.sub] = value
        elif path.attribute in holder:
            raise ValueError("two mapped attribute paths contradict each other; correct the mapping")
        else:
            holder[path.attribute] = referring(text, value)
    return resource


def _inner(holder: dict[str, Any], name: str) -> dict[str, Any]:
    inner = holder.setdefault(name, {})
    if not isinstance(inner, dict):
        raise ValueError("two mapped attribute paths contradict each other; correct the mapping")
    return inner


def _set_element(elements: Any, path: Path, value: Any) -> None:
    if not isinstance(elements, list):
        raise ValueError("two mapped attribute paths contradict each other; correct the mapping")
    element = next((item for item in elements if item.get(path.key) == path.selected), None)
    if element is None:
        element = {path.key: path.selected}
        elements.append(element)
    if path.sub is None:
        element.update(value if isinstance(value, dict) else {"value": value})
    else:
        element[path.sub] = value


def read(resource: Mapping[str, Any], text: str) -> Any:
    """Return the value at a path of a resource that a target sent, or None. Attribute names compare without case (RFC 7643, 2.1)."""
    path = parse_path(text)
    holder: Any = resource
    if path.schema:
        holder = _member(resource, path.schema)
    value = _member(holder, path.attribute)
    if path.key is not None:
        value = _element(value, path)
    if is_reference(text) and isinstance(value, dict):
        return _member(value, "value")
    return value if path.sub is None else _member(value, path.sub)


def is_reference(text: str) -> bool:
    """Return whether a path holds the id of another resource (RFC 7643, section 4.3)."""
    return text.casefold() == MANAGER.casefold()


def referring(text: str, value: Any) -> Any:
    """Return the value of a path as SCIM sends it: a reference is an object with the id as its ``value``."""
    return {"value": value} if is_reference(text) and isinstance(value, str) else value


def _member(holder: Any, name: str) -> Any:
    if not isinstance(holder, dict):
        return None
    if name in holder:
        return holder[name]
    folded = name.casefold()
    return next((value for key, value in holder.items() if key.casefold() == folded), None)


def _element(elements: Any, path: Path) -> dict[str, Any] | None:
    if not isinstance(elements, list) or path.key is None or path.selected is None:
        return None
    for item in elements:
        held = _member(item, path.key)
        if isinstance(held, str) and held.casefold() == path.selected.casefold() and isinstance(item, dict):
            return item
    return None


def same(held: Any, wanted: Any) -> bool:
    """Return whether a value that a target sent means the wanted one: some send booleans as text."""
    if isinstance(wanted, bool) and isinstance(held, str):
        return held.casefold() == str(wanted).casefold()
    if wanted is None:
        return held in (None, "", [], {})
    return type(held) is type(wanted) and bool(held == wanted)


def differences(wanted: Mapping[str, Any], resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted paths whose value at the target differs, with the wanted value."""
    return {path: value for path, value in wanted.items() if not same(read(resource, path), value)}


def operations(
    changes: Mapping[str, Any], dialect: Dialect, resource: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the PATCH operations (RFC 7644, section 3.5.2) that bring ``changes`` about; None as a value removes.

    ``resource`` is what the target holds, when that was read: an element that is not there is then added whole, because replacing
    it would be refused with noTarget (section 3.5.2.3).
    """
    added: dict[str, dict[str, Any]] = {}
    merged: dict[str, Any] = {}
    found: list[dict[str, Any]] = []
    for text, value in changes.items():
        path = parse_path(text)
        missing = path.key is not None and resource is not None and read(resource, path.element) is None
        if value is None:
            if not missing:
                found.append(dialect.operation("remove", path.element if path.sub == "value" and path.key else text))
        elif missing and path.key is not None:
            if path.element not in added:
                added[path.element] = {path.key: path.selected}
                found.append(dialect.operation("add", path.plural, [added[path.element]]))
            added[path.element][path.sub or "value"] = value
        elif dialect.merges_replaces and path.key is None and not is_reference(text):
            merged[text] = value
        else:
            found.append(dialect.operation("replace", text, referring(text, value)))
    return [*([dialect.merged(merged)] if merged else []), *found]


def fingerprint(value: Any) -> str:
    """Return 64 bits that tell whether a value is the one written last, without keeping the value."""
    return blake2b(orjson.dumps(value), digest_size=8).hexdigest()


def fingerprints(values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return the fingerprint of each value by path."""
    return {path: fingerprint(value) for path, value in dict(values).items()}
