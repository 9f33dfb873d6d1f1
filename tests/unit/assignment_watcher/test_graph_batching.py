"""JSON batching: what is asked goes out under unique keys, and whatever comes back is read without believing its form."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.graph.batching import pack, unpack

json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "status", "headers", "Retry-After", "body", "x"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=9), max_size=20), st.booleans())
def test_every_path_is_asked_for_by_its_key(paths: dict[str, str], in_background: bool) -> None:
    requests = orjson.loads(pack(paths, in_background=in_background))["requests"]
    assert {request["id"]: request["url"] for request in requests} == paths
    assert {request["method"] for request in requests} <= {"GET"}
    for request in requests:
        assert request.get("headers") == ({"x-ms-throttle-priority": "Low"} if in_background else None)


def test_with_content_each_is_a_post_of_it_as_json() -> None:
    content = {"groupIds": ["g"]}
    [first, second] = orjson.loads(pack({"1": "/a", "2": "/b"}, in_background=False, content=content))["requests"]
    assert (first["id"], first["url"], second["url"]) == ("1", "/a", "/b")
    for request in (first, second):
        assert (request["method"], request["body"]) == ("POST", content)
        assert request["headers"] == {"Content-Type": "application/json"}


@given(
    st.one_of(st.fixed_dictionaries({"responses": json | st.lists(json)}), st.dictionaries(st.text(max_size=3), json))
)
def test_whatever_a_batch_answers_it_is_read(content: dict[str, Any]) -> None:
    for key, inner in unpack(content).items():
        assert isinstance(key, str)
        assert type(inner.status) is int


def test_answers_are_found_by_key_in_any_order_with_their_own_wait() -> None:
    answers = [
        {"id": "2", "status": 404, "body": {"error": {}}},
        {"id": "1", "status": 429, "headers": {"retry-after": 3}},
        {"id": "3", "status": "200"},
        {"status": 200},
        None,
    ]
    found = unpack({"responses": answers})
    assert found.keys() == {"1", "2"}
    assert found["1"].retry_after == "3"
    assert found["2"].body == {"error": {}}
