"""JSON Merge Patch (RFC 7396, section 2)."""

from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """Return ``target`` changed by ``patch``: an object is merged by name, null removes, anything else replaces. Neither is altered."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
