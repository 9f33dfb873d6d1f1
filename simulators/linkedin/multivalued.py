"""Changes of a multi-valued attribute by one PATCH operation (RFC 7644 sections 3.5.2.1 to 3.5.2.3)."""

from dataclasses import dataclass
from typing import Any, Final

from simulators.linkedin.attributes import Attribute
from simulators.linkedin.errors import ScimError

MISSING: Final = object()
Conditions = list[tuple[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What an operation is about: the attribute, conditions that select items of it or None, and a sub-attribute or None."""

    attribute: Attribute
    conditions: Conditions | None
    sub: str | None


def change(holder: dict[str, Any], selection: Selection, verb: str, value: object) -> None:
    """Apply `verb` to the selected part of `holder` in place.

    Add and replace that select nothing create the item they describe; remove that selects nothing raises ScimError 400
    noTarget.
    """
    attribute, conditions = selection.attribute, selection.conditions
    items: list[dict[str, Any]] = list(holder.get(attribute.name, ()))
    selected = [item for item in items if matches(item, conditions or [])]
    if verb == "remove":
        items = _removed(selection, items, selected, value)
    elif selection.sub is not None or conditions is not None:
        _set(selection, items, selected, value)
    else:
        items = _merged(attribute, items if verb == "add" else [], value)
    if items:
        holder[attribute.name] = items
    else:
        holder.pop(attribute.name, None)


def matches(item: dict[str, Any], conditions: Conditions) -> bool:
    """Whether every condition holds; strings are compared without regard to case, as type and value of these attributes are."""
    return all(_same(item.get(name), wanted) for name, wanted in conditions)


def _same(held: object, wanted: object) -> bool:
    if isinstance(held, str) and isinstance(wanted, str):
        return held.casefold() == wanted.casefold()
    return held == wanted


def _removed(
    selection: Selection, items: list[dict[str, Any]], selected: list[dict[str, Any]], value: object
) -> list[dict[str, Any]]:
    attribute, conditions = selection.attribute, selection.conditions
    if conditions is not None and not selected:
        raise ScimError(400, f"The path selects none of '{attribute.name}'.", "noTarget")
    if selection.sub is not None:
        for item in selected:
            item.pop(selection.sub, None)
        return [item for item in items if item]
    if conditions is None and value is not MISSING and value is not None:
        listed = [entry for entry in _listed(attribute, value) if entry]
        return [item for item in items if not any(matches(item, list(entry.items())) for entry in listed)]
    return [item for item in items if item not in selected]


def _set(selection: Selection, items: list[dict[str, Any]], selected: list[dict[str, Any]], value: object) -> None:
    attribute, sub = selection.attribute, selection.sub
    if sub is None and not isinstance(value, dict):
        raise ScimError(400, f"A whole item of '{attribute.name}' must be an object.", "invalidValue")
    content: dict[str, Any] = {sub: value} if sub is not None else _listed(attribute, value)[0]
    if not selected:
        created = {attribute.subs.get(name, name): wanted for name, wanted in selection.conditions or []}
        items.append(created)
        selected = [created]
    for item in selected:
        item.update(content)
    _one_primary(items, selected[0])


def _merged(attribute: Attribute, items: list[dict[str, Any]], value: object) -> list[dict[str, Any]]:
    for entry in _listed(attribute, value):
        if entry not in items:
            items.append(entry)
            _one_primary(items, entry)
    return items


def _one_primary(items: list[dict[str, Any]], latest: dict[str, Any]) -> None:
    """The item written last keeps `primary`: RFC 7643 section 2.4 allows one."""
    if latest.get("primary") is True:
        for item in items:
            if item is not latest and item.get("primary") is True:
                item["primary"] = False


def _listed(attribute: Attribute, value: object) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for entry in value if isinstance(value, list) else [value]:
        if not isinstance(entry, dict):
            raise ScimError(400, f"'{attribute.name}' must hold objects.", "invalidValue")
        listed.append({attribute.subs.get(str(key).lower(), str(key)): content for key, content in entry.items()})
    return listed
