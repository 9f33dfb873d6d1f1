"""Records as Microsoft Graph gives them: what cannot be kept goes, the rest stays; what cannot be understood stops the read."""

from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.graph.json_bodies import read_object
from services.assignment_watcher.sources.graph_records import (
    MOST_RECORD_BYTES,
    MalformedRecordError,
    check_record,
    check_records,
)

USER = {
    "id": "B1",
    "displayName": "Noor",
    "mail": None,
    "accountEnabled": True,
    "businessPhones": ["1"],
    "extra": {"a": [1]},
}


def checked(record: Any, object_type: str = "user") -> tuple[list[Any], Counter[str]]:
    refused: Counter[str] = Counter()
    return check_records([record], object_type, refused), refused


def test_a_good_page_comes_back_as_it_is() -> None:
    page = [USER, {"id": "B2", "@removed": {"reason": "changed"}}, {"id": "B3", "@odata.type": "#Microsoft.Graph.User"}]
    refused: Counter[str] = Counter()
    assert check_records(page, "user", refused) is page
    assert not refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("displayName", 7),
        ("mail", ["a"]),
        ("userPrincipalName", {}),
        ("accountEnabled", "yes"),
        ("accountEnabled", 1),
        ("securityEnabled", "true"),
        ("anything", float("inf")),
    ],
)
def test_an_attribute_of_another_type_is_left_out_so_that_it_keeps_its_last_value(name: str, value: Any) -> None:
    [record], refused = checked(USER | {name: value})
    assert record == {key: item for key, item in USER.items() if key != name}
    assert refused == {"of another type": 1}


def test_null_clears_and_is_kept() -> None:
    for name in ("displayName", "accountEnabled", "whatever"):
        [record], refused = checked({"id": "B1", name: None})
        assert record == {"id": "B1", name: None}
        assert not refused


def test_the_largest_attributes_go_first() -> None:
    [record], refused = checked(USER | {"aboutMe": "x" * 200_000, "city": "y" * 60_000, "other": "z" * 50_000})
    assert record == USER | {"other": "z" * 50_000}
    assert refused == {"too large": 2}


def test_a_record_of_another_kind_is_left_out() -> None:
    records, refused = checked({"@odata.type": "#microsoft.graph.somethingNew"})
    assert records == []
    assert refused == {"of another kind": 1}


@pytest.mark.parametrize(
    "record",
    [
        "text",
        None,
        {},
        {"id": ""},
        {"id": 7},
        {"id": "a", "@removed": None},
        {"id": "a", "@removed": {}},
        {"id": "a", "@removed": {"reason": 7}},
        {"id": "a", "members@delta": None},
        {"id": "a", "members@delta": ["b"]},
        {"id": "a", "members@delta": [{"@odata.type": "#microsoft.graph.user"}]},
    ],
)
def test_a_record_that_cannot_be_understood_stops_the_read(record: Any) -> None:
    with pytest.raises(MalformedRecordError):
        checked(record, "group")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["displayName", "mail", "accountEnabled", "securityEnabled", "other", "aboutMe"])


@given(st.dictionaries(names, values), st.integers(1, 60_000), st.lists(names, max_size=4))
def test_what_is_kept_is_what_came_and_fits(attributes: dict[str, Any], size: int, large: list[str]) -> None:
    record = {"id": "b1"} | attributes | dict.fromkeys(large, "é" * size)
    refused: Counter[str] = Counter()
    kept = check_record(record, refused)
    assert kept.items() <= record.items() or any(value != value for value in attributes.values())
    assert kept["id"] == "b1"
    assert len(record) - len(kept) == refused.total()
    sizes = [len(orjson.dumps(value)) for name, value in kept.items() if name != "id"]
    assert sum(sizes) <= MOST_RECORD_BYTES
    assert isinstance(kept.get("accountEnabled"), bool | None)
    assert isinstance(kept.get("displayName"), str | None)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b'{"a":', b"<html>", b"\xff", b'"text"', b"[" * 100_000, b'{"a":' * 100_000]
)
def test_what_is_no_json_object_is_nothing(body: bytes) -> None:
    assert read_object(body) is None


def test_a_body_that_can_be_kept_comes_back_as_it_is() -> None:
    body = orjson.dumps({"value": [USER]})
    assert read_object(body) == (body, {"value": [USER]})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (rb'{"a":"x\u0000y"}', {"a": "xy"}),
        (rb'{"a\u0000":["\u0000"]}', {"a": [""]}),
        (rb'{"a":"\ud800"}', {"a": "\ufffd"}),
        (rb'{"a":"\\u0000"}', {"a": "\\u0000"}),
        (rb'{"a":"\ud83d\ude00\u0000"}', {"a": "\U0001f600"}),
    ],
)
def test_characters_that_postgresql_does_not_take_are_taken_out(text: bytes, kept: dict[str, Any]) -> None:
    found = read_object(text)
    assert found is not None
    assert found[1] == kept
    assert orjson.loads(found[0]) == kept


@given(st.binary(max_size=60))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    for text in (body, b'{"a":"' + body + b'"}', b'{"a":' + body + b"}"):
        found = read_object(text)
        assert found is None or b"\\u0000" not in found[0] or orjson.loads(found[0]) == found[1]


@pytest.mark.parametrize(
    "manager", [None, "m1", {"id": "m1"}, [None], [{"id": 7}], [{"@odata.type": "#microsoft.graph.user"}]], ids=repr
)
def test_a_manager_that_cannot_be_understood_is_left_out_and_the_rest_is_kept(manager: Any) -> None:
    refused: Counter[str] = Counter()
    record = {"id": "u1", "city": "Oslo", "manager@delta": manager}
    assert check_record(record, refused) == {"id": "u1", "city": "Oslo"}
    assert refused == {"of another type": 1}


def test_a_manager_as_delta_query_gives_it_is_kept() -> None:
    record = {"id": "u1", "manager@delta": [{"id": "m1"}, {"id": "m2", "@removed": {"reason": "deleted"}}]}
    assert check_record(record, Counter()) is record
