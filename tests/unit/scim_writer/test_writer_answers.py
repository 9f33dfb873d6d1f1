"""Judging answers."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scim_writer.answers import LONGEST_RETRY_AFTER_SECONDS, Reply, hits, judge, retry_after
from services.scim_writer.requests import Kind
from shared.contracts.changes import MatchingValue
from shared.contracts.failure_codes import ADVICE, Code
from shared.contracts.outcomes import Result

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
FIVE = {Result.DONE, Result.ADOPTED, Result.RETRY_LATER, Result.FAILED, Result.STOP}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 700) | st.text(max_size=8) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["schemas", "status", "scimType", "serviceErrorCode", "Resources", "totalResults", "id", "detail"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
)
BODIES = st.binary(max_size=60) | JSON.map(orjson.dumps) | st.just(b"<html>no</html>")
HEADERS = st.dictionaries(st.sampled_from(["Retry-After", "retry-after", "X"]), st.text(max_size=40), max_size=2)


@given(st.sampled_from(Kind), st.none() | st.integers(100, 699), HEADERS, BODIES, st.booleans())
def test_every_answer_is_one_of_the_five_outcomes(
    kind: Kind, status: int | None, headers: dict[str, str], body: bytes, maybe_done: bool
) -> None:
    verdict = judge(kind, Reply(status=status, headers=headers, body=body, maybe_done=maybe_done), NOW)
    assert verdict.outcome in FIVE
    if verdict.outcome is not Result.DONE:
        assert verdict.code in ADVICE
    if verdict.wait is not None:
        assert 0 <= verdict.wait <= LONGEST_RETRY_AFTER_SECONDS
    if kind in (Kind.CREATE, Kind.READ) and verdict.outcome is Result.DONE:
        assert verdict.content["id"]
    if verdict.maybe_done:
        assert kind.writes
        assert verdict.outcome is Result.RETRY_LATER


@given(BODIES)
def test_no_part_of_a_body_is_repeated_in_a_message(body: bytes) -> None:
    secret = b'{"schemas":["%s"],"detail":"jane.doe@contoso.example","scimType":"jane"}' % ERROR.encode()
    for content in (body, secret):
        assert "jane" not in judge(Kind.CREATE, Reply(status=400, body=content), NOW).message


def scim(status: Any, **more: Any) -> bytes:
    return orjson.dumps({"schemas": [ERROR], "status": status, **more})


def linkedin(status: int, code: int) -> bytes:
    return orjson.dumps({"message": "Not for you", "serviceErrorCode": code, "status": status})


@pytest.mark.parametrize(
    ("kind", "status", "body", "outcome", "code"),
    [
        (Kind.CREATE, 201, b'{"id":"1"}', Result.DONE, None),
        (Kind.CREATE, 200, b'{"id":"1"}', Result.DONE, None),
        (Kind.CREATE, 201, b"<html>", Result.RETRY_LATER, Code.SERVICE_INCOMPATIBLE),
        (Kind.CREATE, 201, b"{}", Result.RETRY_LATER, Code.SERVICE_INCOMPATIBLE),
        (Kind.PATCH, 204, b"", Result.DONE, None),
        (Kind.PATCH, 200, b"<html>", Result.RETRY_LATER, Code.SERVICE_INCOMPATIBLE),
        (Kind.DELETE, 204, b"", Result.DONE, None),
        (Kind.LOOK, 200, b"<html>", Result.RETRY_LATER, Code.SERVICE_INCOMPATIBLE),
        (Kind.LOOK, 200, b'{"totalResults":0}', Result.DONE, None),
        (Kind.LOOK, 200, b'{"totalResults":3}', Result.RETRY_LATER, Code.SERVICE_INCOMPATIBLE),
        (Kind.LOOK, 404, b"", Result.RETRY_LATER, Code.NOT_IMPLEMENTED),
        (Kind.LOOK, 302, b"", Result.RETRY_LATER, Code.NOT_IMPLEMENTED),
        (Kind.LOOK, 403, b"", Result.RETRY_LATER, Code.INSUFFICIENT_RIGHTS),
        (Kind.PATCH, 403, b"", Result.FAILED, Code.INSUFFICIENT_RIGHTS),
        (Kind.PATCH, 404, scim("404"), Result.FAILED, Code.INVALID_ANCHOR),
        (Kind.CREATE, 400, scim(400, scimType="invalidValue"), Result.FAILED, Code.SERVICE_INCOMPATIBLE),
        (Kind.CREATE, 409, scim("409", scimType="uniqueness"), Result.FAILED, Code.CONFLICT),
        (Kind.CREATE, 422, b"", Result.FAILED, Code.UNPROCESSABLE_ENTITY),
        (Kind.CREATE, 501, b"", Result.FAILED, Code.NOT_IMPLEMENTED),
        (Kind.CREATE, 401, linkedin(401, 65601), Result.STOP, Code.UNAUTHORIZED),
        (Kind.CREATE, 200, linkedin(401, 65601), Result.STOP, Code.UNAUTHORIZED),
        (Kind.CREATE, 200, scim("409", scimType="uniqueness"), Result.FAILED, Code.CONFLICT),
        (Kind.CREATE, 200, scim("nonsense"), Result.RETRY_LATER, Code.INTERNAL_SERVER_ERROR),
        (Kind.CREATE, 429, linkedin(429, 101), Result.RETRY_LATER, Code.TOO_MANY_REQUESTS),
        (Kind.CREATE, 500, b"", Result.RETRY_LATER, Code.INTERNAL_SERVER_ERROR),
        (Kind.CREATE, 504, b"", Result.RETRY_LATER, Code.TIMEOUT),
    ],
)
def test_the_table_of_answers(kind: Kind, status: int, body: bytes, outcome: Result, code: Code | None) -> None:
    verdict = judge(kind, Reply(status=status, body=body), NOW)
    assert (verdict.outcome, verdict.code) == (outcome, code)


def test_only_a_write_without_a_clear_answer_may_have_been_done() -> None:
    def maybe(kind: Kind, status: int | None, body: bytes = b"") -> bool:
        return judge(kind, Reply(status=status, body=body, maybe_done=True), NOW).maybe_done

    assert all(maybe(Kind.CREATE, status) for status in (None, 408, 500, 502, 503, 504))
    assert maybe(Kind.CREATE, 201, b"<html>")
    assert not any(maybe(Kind.CREATE, status) for status in (302, 400, 401, 403, 404, 409, 429, 501))
    assert not any(maybe(Kind.LOOK, status) for status in (None, 500, 503))
    assert not judge(Kind.CREATE, Reply(status=None, maybe_done=False), NOW).maybe_done


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.25", 0.25),
        (" 3 ", 3.0),
        ("-5", 0.0),
        ("999999999", LONGEST_RETRY_AFTER_SECONDS),
        ("inf", LONGEST_RETRY_AFTER_SECONDS),
        ("nan", None),
        ("soon", None),
        ("", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=2), usegmt=True), 0.0),
        ("Mon, 99 Foo 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_in_every_form(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_hits_are_only_accounts_that_really_match() -> None:
    """A target that passes over the filter answers with everybody."""
    content = {
        "Resources": [
            {"id": "1", "externalId": "ann"},
            {"id": "2", "externalId": "ANN"},
            {"id": "3"},
            {"externalId": "ann"},
            "odd",
        ]
    }
    assert [account["id"] for account in hits(content, MatchingValue(attribute="externalId", value="ann"))] == ["1"]
    content = {"Resources": [{"id": "1", "userName": "Ann@Contoso.example"}]}
    assert hits(content, MatchingValue(attribute="userName", value="ann@contoso.example"))
