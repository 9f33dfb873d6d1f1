"""What the lines of a snapshot mean: CSV (RFC 4180) or JSON Lines in, one row for each user out, or the first thing that is wrong.

No I/O. An error names file, line and column and never shows a value: values are personal data, and so is the first line of a file that
lacks its header.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from services.assignment_watcher.sources.source import SourceMisconfiguredError
from shared.contracts.ids import derived_id

SUFFIXES: Final = (".csv", ".jsonl")
DEFAULT_ROLE: Final = "User"
SEPARATOR: Final = ";"

ID: Final = "id"
NAME: Final = "userPrincipalName"
ROLES: Final = "roles"
ASSIGNED_AT: Final = "assignedAt"
MANAGER: Final = "manager"
ALWAYS_READ: Final = (ID, NAME, "accountEnabled", "displayName", "mail")
BOOLEANS: Final = frozenset({"accountEnabled", "isResourceAccount", "onPremisesSyncEnabled", "showInAddressList"})
"""Properties that are true or false (Microsoft Graph, "user resource type")."""
COLLECTIONS: Final = frozenset({"businessPhones", "imAddresses", "otherMails", "proxyAddresses"})
"""Properties with many values, which CSV can only hold in one cell (same page)."""
MISTAKEN: Final = {
    "objectid": ID,
    "upn": NAME,
    "enabled": "accountEnabled",
    "active": "accountEnabled",
    "role": ROLES,
    "approle": ROLES,
    "approles": ROLES,
    "assigned_at": ASSIGNED_AT,
}
"""Names of columns, in lower case, that would be passed over although they mean one of ours, as in the list of users that Entra offers as a
download: people would get other ids, or the default role."""
EXTENSION: Final = "extension_"
"""How the names of directory extensions begin, which may have any type ("Add custom data to resources by using extensions")."""
LONGEST_ROW: Final = 100_000
"""Bytes of a line, and characters of a CSV row that has line breaks in it. The state of one user must fit into one message."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(\\\\)*\\u0000", re.ASCII)
_PROPERTY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """One user. ``user_id`` is in lower case, ``assigned_at`` in UTC; ``properties`` has every selected property, null when not set."""

    line: int
    user_id: str
    roles: tuple[str, ...]
    assigned_at: str | None
    properties: Mapping[str, Any]


def user_id_of(principal_name: str) -> str:
    """Return the id of a user whose row has none: the same for the same userPrincipalName, in whatever case it is written."""
    return str(derived_id("snapshot-user", principal_name.strip().lower()))


@lru_cache(maxsize=256)
def role_id_of(role: str) -> str:
    """Return the id of a role, which a snapshot knows by its value only."""
    return str(derived_id("snapshot-role", role))


def assignment_id_of(user_id: str, role: str) -> str:
    """Return the id of the assignment of a user to a role."""
    return str(derived_id("snapshot-assignment", user_id, role))


def broken(name: str, line: int, problem: str, *, column: str | None = None) -> SourceMisconfiguredError:
    """Return the error for one line; ``column`` is a name that is known to be one."""
    place = f"{name}, line {line}" + (f", column {column}" if column else "")
    return SourceMisconfiguredError(f"{place}: {problem}")


class Identities:
    """Who was seen in which line of which file, by id and by userPrincipalName: no two rows may be the same person."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[str, int]] = {}

    def add(self, name: str, row: SnapshotRow) -> None:
        """Note a row; raises ``SourceMisconfiguredError`` that names both lines when its user was there before."""
        keys = {bytes.fromhex(row.user_id.replace("-", "")): ID}
        if (principal_name := row.properties[NAME]) is not None:
            keys[hashlib.blake2b(principal_name.lower().encode(), digest_size=16).digest()] = NAME
        for key, column in keys.items():
            if key in self._seen:
                other, line = self._seen[key]
                raise broken(
                    name,
                    row.line,
                    f"the same user as in {other}, line {line}; give each user one row, with all roles in it",
                    column=column,
                )
        self._seen.update(dict.fromkeys(keys, (name, row.line)))


def read_rows(name: str, lines: Iterable[bytes], selected: Sequence[str]) -> Iterator[SnapshotRow]:
    """Yield the rows of one file; ``name`` tells the format by its end, ``lines`` keep their line ends.

    Raises ``SourceMisconfiguredError`` at the first thing that is wrong. A CSV file with a header only has no rows; a file with nothing
    in it is broken, because nobody can tell it from one that was cut off.
    """
    texts = _texts(name, lines)
    columns = _Columns(name, selected)
    fields_of = _csv_fields if name.lower().endswith(".csv") else _json_fields
    for line, fields in fields_of(name, texts, columns):
        yield _row(name, line, fields, selected)


def _texts(name: str, lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            text = (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).decode()
        except UnicodeDecodeError:
            raise broken(name, number, "is not UTF-8; save the file in UTF-8") from None
        if "\0" in text:
            raise broken(name, number, "holds a NUL character; save the file in UTF-8")
        yield text


class _Columns:
    """The names that columns may have. One that differs from a name that is read in its case only, or is ``MISTAKEN``, is an error."""

    def __init__(self, name: str, selected: Sequence[str]) -> None:
        self._name = name
        known = {column.lower(): column for column in (*ALWAYS_READ, *selected, ROLES, ASSIGNED_AT)}
        self._known = MISTAKEN | known
        self._good: set[str] = set()
        self.read: Final = frozenset(self._known.values())

    def check(self, line: int, columns: Iterable[str], place: str) -> None:
        """Raise ``SourceMisconfiguredError`` for a name that no property can have; ``place`` says where names stand ("column", "name")."""
        for number, column in enumerate(columns, 1):
            if column in self._good:
                continue
            if not _PROPERTY.fullmatch(column):
                raise broken(self._name, line, f"{place} {number} is not the name of a Microsoft Graph property")
            if self._known.get(column.lower(), column) != column:
                raise broken(self._name, line, f"{place} {number} must be written {self._known[column.lower()]}")
            self._good.add(column)


def _csv_fields(name: str, texts: Iterator[str], columns: _Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    header: list[str] = []
    for line, values in _csv_records(name, texts):
        if not header:
            header = _header(name, line, values, columns)
        elif len(values) != len(header):
            raise broken(name, line, f"has {len(values)} values, and the header names {len(header)} columns")
        else:
            yield (
                line,
                {
                    column: _cell(column, value)
                    for column, value in zip(header, values, strict=True)
                    if column in columns.read
                },
            )
    if not header:
        raise SourceMisconfiguredError(f"{name} is empty; its first line must name the columns")


def _csv_records(name: str, texts: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line that it starts in; blank lines are passed over."""
    reader = csv.reader(texts, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise broken(
                name, line, "is not CSV; look for a quotation mark without its second one, or for a very long value"
            ) from None
        if reader.line_num > line and sum(map(len, values)) > LONGEST_ROW:
            raise broken(name, line, f"is longer than {LONGEST_ROW} characters")
        if values:
            yield line, values


def _header(name: str, line: int, values: list[str], columns: _Columns) -> list[str]:
    header = [value.strip() for value in values]
    if len(header) == 1 and (SEPARATOR in header[0] or "\t" in header[0]):
        raise broken(name, line, "the columns must be separated by commas")
    if not {"id", "objectid", NAME.lower(), "upn"} & {column.lower() for column in header}:
        raise broken(name, line, f"the first line must name the columns, {ID} or {NAME} among them")
    columns.check(line, header, "column")
    for number, column in enumerate(header):
        if column in header[:number]:
            raise broken(name, line, f"column {number + 1} has the same name as an earlier one")
    return header


def _cell(column: str, value: str) -> Any:
    if column in COLLECTIONS:
        return [part.strip() for part in value.split(SEPARATOR) if part.strip()]
    return value


def _json_fields(name: str, texts: Iterator[str], columns: _Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    empty = True
    for line, text in enumerate(texts, 1):
        if text.isspace():
            continue
        try:
            fields = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise broken(name, line, "is not JSON") from None
        if not isinstance(fields, dict):
            raise broken(name, line, "is not a JSON object")
        if _ESCAPED_NUL.search(text):
            # PostgreSQL takes no such character in jsonb.
            raise broken(name, line, "holds a NUL character")
        columns.check(line, fields, "name")
        empty = False
        yield line, fields
    if empty:
        raise SourceMisconfiguredError(f"{name} is empty; a JSON Lines file has one object for each user")


def _row(name: str, line: int, fields: Mapping[str, Any], selected: Sequence[str]) -> SnapshotRow:
    try:
        principal_name = _text(fields, NAME)
        properties = {column: _value(column, fields.get(column)) for column in selected}
        user_id = _id(fields, principal_name)
        roles, assigned_at = _roles(fields), _instant(fields)
    except _WrongValueError as error:
        raise broken(name, line, error.problem, column=error.column) from None
    return SnapshotRow(
        line=line,
        user_id=user_id,
        roles=roles,
        assigned_at=assigned_at,
        properties={**properties, ID: user_id, NAME: principal_name},
    )


class _WrongValueError(Exception):
    def __init__(self, column: str, problem: str) -> None:
        super().__init__(column)
        self.column = column
        self.problem = problem


def _text(fields: Mapping[str, Any], column: str) -> str | None:
    value = fields.get(column)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _WrongValueError(column, "must be text")
    return value.strip() or None


def _id(fields: Mapping[str, Any], principal_name: str | None) -> str:
    text = _text(fields, ID)
    if text is None:
        if principal_name is None:
            raise _WrongValueError(NAME, f"must be set when {ID} is not")
        return user_id_of(principal_name)
    if not _GUID.fullmatch(text.lower()):
        raise _WrongValueError(
            ID, f"is not a directory object id (a GUID); leave it empty to have one derived from {NAME}"
        )
    return text.lower()


def _value(column: str, value: Any) -> Any:
    """Return the value of a property in the type that Microsoft Graph gives it, or nothing when it is not set."""
    if column in BOOLEANS:
        return _boolean(column, value)
    if column == MANAGER:
        return _manager(value)
    if isinstance(value, str) and column not in COLLECTIONS:
        return value if value and not value.isspace() else None
    if value is None or column.startswith(EXTENSION):
        return value
    if column in COLLECTIONS:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        raise _WrongValueError(column, "must be a list of texts")
    if column in ALWAYS_READ or not isinstance(value, dict | list):
        raise _WrongValueError(column, "must be text")
    return value


def _manager(value: Any) -> str | None:
    """Return the id of the manager, who is named by it or, as a row without an id is, by the userPrincipalName."""
    name = _text({MANAGER: value}, MANAGER)
    if name is None or _GUID.fullmatch(name.lower()):
        return name and name.lower()
    return user_id_of(name)


def _boolean(column: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else "neither"
    if text not in {"true", "false", ""}:
        raise _WrongValueError(column, "must be true or false, or empty")
    return text == "true" if text else None


def _roles(fields: Mapping[str, Any]) -> tuple[str, ...]:
    value = fields.get(ROLES)
    if value is None or (isinstance(value, str) and not value.strip()):
        return (DEFAULT_ROLE,)
    parts = value.split(SEPARATOR) if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise _WrongValueError(ROLES, "must be a list of role values")
    roles = tuple(dict.fromkeys(role for part in parts if (role := part.strip())))
    if not roles:
        # Nobody can tell whether it means the default role or none at all.
        raise _WrongValueError(ROLES, f"names no role; leave it out for {DEFAULT_ROLE}, or leave out the row for none")
    return roles


def _instant(fields: Mapping[str, Any]) -> str | None:
    text = _text(fields, ASSIGNED_AT)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise _WrongValueError(ASSIGNED_AT, "is not a time in ISO 8601, such as 2026-03-31T08:00:00Z") from None
