"""What of a mapped object flows to an account that exists: by flow type, by what the target is confirmed to hold, and by case.

The rules of ``flowType`` and ``flowBehavior`` (Microsoft Graph, ``attributeMapping``) and of null values, in one place.
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.contracts.synchronization_schema import FlowBehavior, FlowType
from shared.schema.conversion import is_empty
from shared.schema.mapping import CompiledObjectMapping, Mapped, MappedAttribute

CLEARED: Final = None
"""The new value of a path that is removed at the target."""


def wanted_values(mapping: CompiledObjectMapping, mapped: Mapped, confirmed: Mapping[str, Any]) -> dict[str, Any]:
    """Return by path the values that an existing account is to hold once an update is done, references aside.

    ``confirmed`` is what the target holds as far as an outcome said. A path that is to be removed has the value ``CLEARED``; only what we
    confirmed there is ever removed. Paths that do not flow to an existing account are not in it.
    """
    wanted: dict[str, Any] = {}
    for path, value in mapped.values.items():
        row = mapping.attributes[path]
        flowing = _flowing(row, value, confirmed.get(path))
        if not is_empty(flowing):
            wanted[path] = flowing
    for path in mapped.cleared:
        if not is_empty(confirmed.get(path)):
            wanted[path] = CLEARED
    return wanted


def changed_values(mapping: CompiledObjectMapping, mapped: Mapped, confirmed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an update has to write: the wanted values that differ from the confirmed ones, empty when nothing does.

    A difference in case alone is none where the attribute is not ``caseExact``. Mappings with ``FlowAlways`` are written with every
    update, and make none by themselves.
    """
    wanted = wanted_values(mapping, mapped, confirmed)
    rows = mapping.attributes
    changed = {path: value for path, value in wanted.items() if rows[path].differs(confirmed.get(path), value)}
    if not changed:
        return changed
    always = {path: wanted[path] for path in wanted if rows[path].flow_behavior is FlowBehavior.FLOW_ALWAYS}
    return {**changed, **always}


def _flowing(row: MappedAttribute, value: Any, held: Any) -> Any:
    """Return what flows of one value to an account that holds ``held``, or nothing."""
    match row.flow_type:
        case FlowType.OBJECT_ADD_ONLY:
            return None
        case FlowType.ATTRIBUTE_ADD_ONLY:
            return value if is_empty(held) else None
        case FlowType.MULTI_VALUE_ADD_ONLY if not row.multivalued:
            return value if is_empty(held) else None
        case FlowType.MULTI_VALUE_ADD_ONLY | FlowType.VALUE_ADD_ONLY if row.multivalued:
            return _together(held, value)
    return value


def _together(held: Any, value: Any) -> list[Any]:
    """Return the values that are held and those that are new: nothing is taken away."""
    before = list(held) if isinstance(held, list | tuple) else [] if is_empty(held) else [held]
    return before + [item for item in value if item not in before]
