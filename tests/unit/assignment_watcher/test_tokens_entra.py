"""What Microsoft Entra's refusals mean: clear sentences with advice, never the text of the answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.graph.tokens.entra import MISCONFIGURED, REFUSED, refusal
from services.assignment_watcher.sources.source import SourceMisconfiguredError, SourceRefusedError

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def answer(number: int, **more: Any) -> bytes:
    text = f"AADSTS{number}: Something about noor@contoso.example. Trace ID: 1f"
    return orjson.dumps({"error": "invalid_client", "error_description": text, "error_codes": [number]} | more)


@pytest.mark.parametrize(
    ("number", "says", "advises"),
    [
        (7000215, "the client secret is wrong", "value of the client secret, not its id"),
        (7000222, "the client secret has expired", "Make a new client secret"),
        (700016, "client id is not known in this tenant", "source.clientId"),
        (90002, "the tenant does not exist", "source.tenantId"),
        (900023, "the tenant id is malformed", "source.tenantId"),
        (700027, "certificate is not known", "Upload the certificate"),
        (70011, "the scope is not valid", "same cloud"),
        (700213, "subject of the token", "federated credential"),
    ],
)
def test_a_refusal_is_explained(number: int, says: str, advises: str) -> None:
    error = refusal(401, answer(number), None, NOW)
    assert error is not None
    assert says in str(error)
    assert f"AADSTS{number}" in str(error)
    assert advises in error.failure.advice
    assert "noor" not in str(error)
    assert isinstance(error, SourceMisconfiguredError if number in MISCONFIGURED else SourceRefusedError)


def test_the_day_of_expiry_is_said_when_it_is_known() -> None:
    expired = datetime(2026, 2, 14, tzinfo=UTC)
    assert "expired, on 2026-02-14" in str(refusal(401, answer(7000222), expired, NOW))
    assert "wrong, and expired on 2026-02-14" in str(refusal(401, answer(7000215), expired, NOW))
    assert "expire" not in str(refusal(401, answer(7000215), NOW + timedelta(days=1), NOW))


@pytest.mark.parametrize("status", [408, 429, 500, 503, 200, 302])
def test_what_may_pass_is_no_refusal(status: int) -> None:
    assert refusal(status, answer(7000215), None, NOW) is None


def test_the_number_is_found_in_the_text_too() -> None:
    assert "(AADSTS90002)" in str(refusal(400, b"<html>AADSTS90002: Tenant", None, NOW))
    assert "(AADSTS50196)" in str(refusal(400, answer(50196), None, NOW))
    assert "(status 400)" in str(refusal(400, b"<html>", None, NOW))


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["error_codes", "error"]), inner | st.lists(inner)),
    max_leaves=8,
)


@given(st.integers(400, 499), st.binary(max_size=80) | json.map(orjson.dumps))
def test_whatever_the_answer_holds_it_is_judged(status: int, body: bytes) -> None:
    error = refusal(status, body, None, NOW)
    assert (error is None) is (status in {408, 429})


def test_every_known_refusal_has_advice() -> None:
    for number in (*REFUSED, *MISCONFIGURED):
        error = refusal(401, answer(number), None, NOW)
        assert error is not None
        assert error.failure.advice.endswith(".")
        assert len(str(error)) < 200
