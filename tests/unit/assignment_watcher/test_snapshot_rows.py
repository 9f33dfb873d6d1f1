"""What the rows of a snapshot mean: the same in both formats, and nothing at all when anything is wrong."""

import csv
import io
import uuid
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.sources.snapshot_rows import (
    ALWAYS_READ,
    LONGEST_ROW,
    Identities,
    SnapshotRow,
    assignment_id_of,
    read_rows,
    role_id_of,
    user_id_of,
)
from services.assignment_watcher.sources.source import SourceMisconfiguredError

SELECTED = tuple(sorted({*ALWAYS_READ, "businessPhones", "city", "jobTitle"}))
ID = "0A0A0A0A-0000-4000-8000-00000000000B"
CANARY = "canary"

YEAR_2 = datetime(2, 1, 1)  # noqa: DTZ001 - the zones are drawn

values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12).map(
    lambda text: text.replace("\r", " ")
)
names = st.text("abcXYZ.-", min_size=1, max_size=8).map(lambda name: f"{name}@contoso.example")
people = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str) | st.uuids().map(lambda value: str(value).upper()) | st.just(""),
        "userPrincipalName": names,
        "displayName": values,
        "city": values,
        "jobTitle": values,
        "unknownToUs": values,
        "businessPhones": st.lists(st.text("+0123456789 ", min_size=1, max_size=5).filter(str.strip), max_size=3),
        "accountEnabled": st.sampled_from([True, False, None]),
        "roles": st.lists(st.sampled_from(["User", "Admin", "Sales Lead"]), min_size=1, max_size=4),
        "assignedAt": st.datetimes(YEAR_2, timezones=st.timezones()).map(lambda at: at.isoformat()) | st.none(),
    }
)


def parsed(name: str, content: bytes) -> list[SnapshotRow]:
    return list(read_rows(name, io.BytesIO(content), SELECTED))


def as_csv(rows: list[dict[str, Any]], *, end: str = "\n") -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator=end)
    writer.writeheader()
    for row in rows:
        enabled = row.get("accountEnabled")
        writer.writerow(
            {name: ";".join(value) if isinstance(value, list) else value for name, value in row.items()}
            | {"accountEnabled": "" if enabled is None else str(enabled).upper()}
        )
    return file.getvalue().encode()


def as_json(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def said(content: bytes, name: str = "people.csv") -> str:
    with pytest.raises(SourceMisconfiguredError) as caught:
        parsed(name, content)
    assert CANARY not in f"{caught.value} {caught.value.failure!r}"
    return str(caught.value)


@given(st.lists(people, min_size=1, max_size=4), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_both_formats_say_the_same(rows: list[dict[str, Any]], mark: bool, end: str) -> None:
    phoneless = [row if row["businessPhones"] else row | {"businessPhones": None} for row in rows]
    by_json = parsed("people.jsonl", as_json(phoneless))
    by_csv = parsed("people.csv", (b"\xef\xbb\xbf" if mark else b"") + as_csv(phoneless, end=end))

    def comparable(row: SnapshotRow) -> tuple[Any, ...]:
        phones = [phone.strip() for phone in row.properties["businessPhones"] or ()]
        return row.user_id, row.roles, row.assigned_at, {**row.properties, "businessPhones": phones}

    assert [comparable(row) for row in by_csv] == [comparable(row) for row in by_json]


@given(people)
def test_a_row_says_what_was_written(written: dict[str, Any]) -> None:
    [row] = parsed("people.jsonl", as_json([written]))
    assert row.user_id == (written["id"].lower() or user_id_of(written["userPrincipalName"]))
    assert row.properties.keys() == set(SELECTED), "what is not selected is not read"
    for name in ("city", "displayName", "jobTitle"):
        assert row.properties[name] == (written[name] if written[name].strip() else None)
    assert row.properties["accountEnabled"] is written["accountEnabled"]
    assert sorted(row.roles) == sorted(set(written["roles"]))
    assert (row.assigned_at is None) is (written["assignedAt"] is None)
    assert row.assigned_at is None or row.assigned_at.endswith("+00:00")


@given(st.lists(people, min_size=2, max_size=4, unique_by=lambda row: row["userPrincipalName"]), st.data())
def test_a_file_that_was_cut_off_never_says_anything_of_earlier_rows_that_is_not_so(
    rows: list[dict[str, Any]], data: Any
) -> None:
    for name, content in (("people.csv", as_csv(rows)), ("people.jsonl", as_json(rows))):
        whole = parsed(name, content)
        cut = content[: data.draw(st.integers(0, len(content)))]
        try:
            left = parsed(name, cut)
        except SourceMisconfiguredError:
            continue
        assert left[:-1] == whole[: len(left) - 1] if left else True


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")), st.booleans())
def test_any_bytes_are_rows_or_one_error_that_shows_nothing_of_them(noise: bytes, with_header: bool) -> None:
    for name, start in (("people.csv", b"id,userPrincipalName,city\n"), ("people.jsonl", b"")):
        content = (start if with_header else b"") + noise + f"\n{CANARY}\n".encode()
        try:
            parsed(name, content)
        except SourceMisconfiguredError as error:
            assert CANARY not in str(error)
            assert str(error).startswith(name)


@given(names)
def test_derived_ids_do_not_depend_on_case_and_never_change(name: str) -> None:
    assert user_id_of(name) == user_id_of(name.upper()) == user_id_of(f" {name} ")
    assert uuid.UUID(user_id_of(name)).version == 5


def test_ids_are_what_they_have_always_been() -> None:
    """Another value would be another person to every target."""
    assert user_id_of("ada@contoso.example") == "8b0939c2-bda0-5c72-a4d3-b068dfa19764"
    assert role_id_of("User") == "5378b0e0-d035-5b3d-9c59-475634080dde"
    assert assignment_id_of(ID.lower(), "User") == "e9734ef9-6bad-5abd-980e-1a5bdfae05f4"


def test_what_is_left_out_has_its_default() -> None:
    [row] = parsed("people.csv", f"id\n{ID}\n".encode())
    assert (row.user_id, row.roles, row.assigned_at, row.line) == (ID.lower(), ("User",), None, 2)
    assert {value for name, value in row.properties.items() if name != "id"} == {None}
    [row] = parsed("people.jsonl", b'\n{"userPrincipalName": " ada@contoso.example ", "accountEnabled": "FALSE"}')
    assert row.user_id == user_id_of("ada@contoso.example")
    assert row.properties["userPrincipalName"] == "ada@contoso.example"
    assert (row.properties["accountEnabled"], row.line) == (False, 2)


def test_a_header_alone_is_nobody_and_blank_lines_are_nothing() -> None:
    assert parsed("people.csv", b"\xef\xbb\xbfid,userPrincipalName\r\n") == []
    assert len(parsed("people.csv", f"\n\nid\n\n{ID}\n\n".encode())) == 1


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-31T08:00:00Z", "2026-03-31T08:00:00+00:00"),
        ("2026-03-31T10:00:00.5+02:00", "2026-03-31T08:00:00.500000+00:00"),
        ("2026-03-31 08:00", "2026-03-31T08:00:00+00:00"),
        ("2026-03-31", "2026-03-31T00:00:00+00:00"),
    ],
)
def test_times_are_brought_to_utc(text: str, utc: str) -> None:
    [row] = parsed("people.csv", f"id,assignedAt\n{ID},{text}\n".encode())
    assert row.assigned_at == utc


HEADER = "id,userPrincipalName,city,accountEnabled,roles,assignedAt\n"


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ("", "people.csv is empty", "columns"),
        ("\n \n", "line 2", "name the columns"),
        (f"{CANARY}@contoso.example,{CANARY}\n", "line 1", "must name the columns"),
        (f"id;userPrincipalName\n{ID};{CANARY}\n", "line 1", "separated by commas"),
        ("id,City\n", "line 1: column 2", "must be written city"),
        ("ID,city\n", "line 1: column 1", "must be written id"),
        ("id,city,city\n", "line 1: column 3", "same name"),
        ("userPrincipalName,objectId\n", "line 1: column 2", "must be written id"),
        ("objectId,upn\n", "line 1: column 1", "must be written id"),
        ("id,role\n", "line 1: column 2", "must be written roles"),
        (f"id,{CANARY} city\n", "line 1: column 2", "not the name of a Microsoft Graph property"),
        ("id,@removed\n", "line 1: column 2", "not the name of a Microsoft Graph property"),
        ("id,\n", "line 1: column 2", "not the name of a Microsoft Graph property"),
        (f"{HEADER}{ID},{CANARY}\n", "line 2", "has 2 values, and the header names 6"),
        (f"{HEADER}\n{ID},{CANARY},,,,,\n", "line 3", "has 7 values"),
        (f"{HEADER},,{CANARY},,,\n", "line 2, column userPrincipalName", "must be set"),
        (f"{HEADER}{CANARY}@contoso.example,,,,,\n", "line 2, column id", "GUID"),
        (f"{HEADER}{ID},,,{CANARY},,\n", "line 2, column accountEnabled", "true or false"),
        (f"{HEADER}{ID},,,1,,\n", "line 2, column accountEnabled", "true or false"),
        (f"{HEADER}{ID},,,, ; ,\n", "line 2, column roles", "no role"),
        (f"{HEADER}{ID},,,,,{CANARY}\n", "line 2, column assignedAt", "ISO 8601"),
        (f"{HEADER}{ID},,,,,0001-01-01T00:00:00+10:00\n", "line 2, column assignedAt", "ISO 8601"),
        (f'{HEADER}{ID},,"a\nb",,,\n{ID},,"{CANARY}', "line 4", "quotation mark"),
        (f'{HEADER}{ID},,"a"{CANARY},,,\n', "line 2", "quotation mark"),
        (f"{HEADER}{ID},,{CANARY}\0,,,\n", "line 2", "NUL"),
        (f'{HEADER}{ID},,"{"x" * 60_000}\n{"y" * 60_000}",,,\n', "line 2", f"longer than {LONGEST_ROW}"),
    ],
)
def test_a_broken_csv_file_is_named_with_line_and_column(content: str, where: str, what: str) -> None:
    message = said(content.encode())
    assert where in message
    assert what in message


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ("", "people.jsonl is empty", "one object for each user"),
        ("\n\n", "people.jsonl is empty", "one object for each user"),
        (f'{{"id": "{ID}"}}\n{{"id": "{CANARY}', "line 2", "is not JSON"),
        (f'["{CANARY}"]', "line 1", "is not a JSON object"),
        (f'{{"id": "{ID}", "@removed": {{"reason": "deleted"}}}}', "line 1: name 2", "not the name"),
        (f'{{"id": "{ID}", "userprincipalname": "{CANARY}"}}', "line 1: name 2", "must be written userPrincipalName"),
        (f'{{"id": "{ID}", "role": "{CANARY}"}}', "line 1: name 2", "must be written roles"),
        (f'{{"id": 7, "city": "{CANARY}"}}', "line 1, column id", "must be text"),
        (f'{{"id": "{ID}", "city": 7}}', "line 1, column city", "must be text"),
        (f'{{"id": "{ID}", "displayName": ["{CANARY}"]}}', "line 1, column displayName", "must be text"),
        (f'{{"id": "{ID}", "businessPhones": "{CANARY}"}}', "line 1, column businessPhones", "list of texts"),
        (f'{{"id": "{ID}", "accountEnabled": 1}}', "line 1, column accountEnabled", "true or false"),
        (f'{{"id": "{ID}", "roles": []}}', "line 1, column roles", "no role"),
        (f'{{"id": "{ID}", "roles": [["{CANARY}"]]}}', "line 1, column roles", "list of role values"),
        (f'{{"id": "{ID}", "roles": {{"{CANARY}": 1}}}}', "line 1, column roles", "list of role values"),
        (f'{{"id": "{ID}", "assignedAt": 20260331}}', "line 1, column assignedAt", "must be text"),
        (f'{{"id": "{ID}", "city": "{CANARY}\\u0000"}}', "line 1", "NUL"),
        ("{}", "line 1, column userPrincipalName", "must be set"),
    ],
)
def test_a_broken_json_lines_file_is_named_with_line_and_name(content: str, where: str, what: str) -> None:
    message = said(content.encode(), "people.jsonl")
    assert where in message
    assert what in message


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_than_utf_8_is_said_to_be_one(encoding: str) -> None:
    assert "UTF-8" in said(f"id,city\n{ID},Bäcker {CANARY}\n".encode(encoding))


def test_the_same_person_twice_is_an_error_that_names_both_lines() -> None:
    def add(*files: tuple[str, str]) -> None:
        identities = Identities()
        for name, content in files:
            for row in parsed(name, content.encode()):
                identities.add(name, row)

    other = str(uuid.uuid4())
    add(("a.csv", f"id\n{ID}\n"), ("b.csv", f"id\n{other}\n"))
    for second, column in (
        (f"id,userPrincipalName\n{ID.lower()},{CANARY}@x.example\n", "id"),
        (f"id,userPrincipalName\n{other},Ada@contoso.example\n", "userPrincipalName"),
        (f"id\n{user_id_of('ada@contoso.example')}\n", "id"),
    ):
        first = f"id,userPrincipalName\n{ID},ada@contoso.example\n"
        if second.startswith("id\n"):
            first = "userPrincipalName\nada@contoso.example\n"
        with pytest.raises(SourceMisconfiguredError) as caught:
            add(("a.csv", first), ("b.csv", second))
        assert str(caught.value).startswith(f"b.csv, line 2, column {column}: the same user as in a.csv, line 2")
        assert CANARY not in str(caught.value)


def test_a_property_of_a_directory_extension_may_have_any_type() -> None:
    name = "extension_0a0a_level"
    [row] = read_rows("a.jsonl", [orjson.dumps({"id": ID, name: 7})], (*ALWAYS_READ, name))
    assert row.properties[name] == 7
