"""Records of users and groups as Microsoft Graph gives them, made safe to keep: pure checks of shape, type and size."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import orjson

MOST_RECORD_BYTES: Final = 100_000
"""The attributes of one record together. Directory attributes are far shorter; one that is not would stop a message, not just a user."""

MEMBERS: Final = "members@delta"
MANAGER: Final = "manager@delta"
"""Relationships in the records of delta functions: a list of objects, those that are gone with ``@removed``."""

_BOOLEANS: Final = frozenset({"accountEnabled", "securityEnabled", "mailEnabled"})
_NO_TEXTS: Final = _BOOLEANS | {MEMBERS, MANAGER}
_TEXTS: Final = frozenset(
    {
        *("userPrincipalName", "displayName", "mail", "givenName", "surname", "userType", "jobTitle", "city"),
        *("department", "companyName", "country", "employeeId", "employeeType", "mailNickname", "mobilePhone"),
        *(
            "description",
            "visibility",
            "officeLocation",
            "postalCode",
            "preferredLanguage",
            "state",
            "streetAddress",
            "usageLocation",
        ),
    }
)


class MalformedRecordError(Exception):
    """A record that cannot be understood: what it says, and of whom, is unknown. The text names no value."""


def check_records(value: list[Any], object_type: str, refused: Counter[str]) -> list[Any]:
    """Return the records of a page that are of ``object_type`` ("user" or "group"), without the attributes that cannot be kept.

    The same list comes back when nothing had to go. An attribute of another type than documented, not a number, or beyond
    ``MOST_RECORD_BYTES`` (the largest go first) is left out of its record, which means that it keeps its last value; ``refused`` counts
    them by reason. A record with another ``@odata.type`` is left out. Raises ``MalformedRecordError``.
    """
    wanted = f"#microsoft.graph.{object_type}"
    changed, kept = False, []
    for record in value:
        if not isinstance(record, dict):
            raise MalformedRecordError("a record is not an object")
        declared = record.get("@odata.type")
        if declared is not None and not (isinstance(declared, str) and declared.casefold() == wanted):
            refused["of another kind"] += 1
            changed = True
            continue
        checked = check_record(record, refused)
        changed = changed or checked is not record
        kept.append(checked)
    return kept if changed else value


def check_record(record: dict[str, Any], refused: Counter[str]) -> dict[str, Any]:
    """Return one record without the attributes that cannot be kept: the same object when all can. Raises ``MalformedRecordError``."""
    if not isinstance(record.get("id"), str) or not record["id"]:
        raise MalformedRecordError("a record has no id")
    removed = record.get("@removed")
    if "@removed" in record and not (isinstance(removed, dict) and isinstance(removed.get("reason"), str)):
        raise MalformedRecordError("a removed record has no reason")
    bad: dict[str, str] = {}
    size = 0
    for name, value in record.items():
        if isinstance(value, str) and name not in _NO_TEXTS:
            size += len(value)
        elif name == MEMBERS:
            _check_members(value)
        elif not _of_its_type(name, value):
            bad[name] = "of another type"
        elif isinstance(value, dict | list):
            size += len(orjson.dumps(value))
    # A character takes up to four bytes.
    if size * 4 > MOST_RECORD_BYTES:
        bad |= dict.fromkeys(
            _too_large({name: value for name, value in record.items() if name not in bad}), "too large"
        )
    if not bad:
        return record
    refused.update(bad.values())
    return {name: value for name, value in record.items() if name not in bad}


def _of_its_type(name: str, value: Any) -> bool:
    if name in _BOOLEANS:
        return value is None or isinstance(value, bool)
    if name == MANAGER:
        return _is_list_of_objects(value)
    return value is None or not (name in _TEXTS or (isinstance(value, float) and not math.isfinite(value)))


def _check_members(members: Any) -> None:
    if not isinstance(members, list):
        raise MalformedRecordError("the members of a group are not a list")
    if not _is_list_of_objects(members):
        raise MalformedRecordError("a member of a group has no id")


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in value)


def _too_large(record: Mapping[str, Any]) -> list[str]:
    sizes = {
        name: len(orjson.dumps(value)) for name, value in record.items() if name != "id" and not name.startswith("@")
    }
    sizes.pop(MEMBERS, None)
    names, total = [], sum(sizes.values())
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if total <= MOST_RECORD_BYTES:
            break
        total -= sizes[name]
        names.append(name)
    return names
