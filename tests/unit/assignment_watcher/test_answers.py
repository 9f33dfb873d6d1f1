"""Judgement of Graph's answers: statuses and codes, Retry-After, links, the roles claim of a token."""

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.graph.answers import (
    RESYNC_CODES,
    Verdict,
    backoff,
    claims_challenge,
    classify,
    error_code,
    missing_permissions,
    resync_reason,
    retry_after,
    same_origin,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def envelope(code: str, message: str = "", inner: str | None = None) -> bytes:
    error = {"code": code, "message": message, "innerError": {"date": "x", **({"code": inner} if inner else {})}}
    return orjson.dumps({"error": error})


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"{}", Verdict.OK),
        (410, b"", Verdict.RESYNC),
        (410, envelope("resyncRequired"), Verdict.RESYNC),
        (400, envelope("syncStateNotFound"), Verdict.RESYNC),
        (404, envelope("BadRequest", inner="SyncStateNotFound"), Verdict.RESYNC),
        (400, envelope("Request_UnsupportedQuery", "DeltaLink older than 30 days is not supported."), Verdict.RESYNC),
        (400, envelope("Request_UnsupportedQuery", "Unsupported property filter clause."), Verdict.STOP),
        (400, envelope("Directory_ExpiredPageToken"), Verdict.RESTART_ROUND),
        (400, envelope("x", inner="DirectoryPageTokenNotFoundException"), Verdict.RESTART_ROUND),
        (400, envelope("Request_BadRequest"), Verdict.STOP),
        (404, envelope("Request_ResourceNotFound"), Verdict.NOT_FOUND),
        (401, envelope("InvalidAuthenticationToken"), Verdict.REFRESH_TOKEN),
        (403, envelope("Authorization_RequestDenied"), Verdict.REFUSED),
        (429, envelope("TooManyRequests"), Verdict.WAIT),
        (503, b"<html>", Verdict.WAIT),
        (504, b"", Verdict.WAIT),
        (500, envelope("syncStateNotFound"), Verdict.RETRY),
        (502, b"<html>", Verdict.RETRY),
        (302, b"", Verdict.STOP),
    ],
)
def test_answers_to_a_request_with_a_delta_token(status: int, body: bytes, verdict: Verdict) -> None:
    assert classify(status, body, delta_token=True, page_token=False) is verdict


def test_a_query_that_worked_before_is_not_unsupported_its_token_died() -> None:
    body = envelope("Request_UnsupportedQuery", "Nicht unterstützt.")
    assert classify(400, body, delta_token=True, page_token=False, proven=True) is Verdict.RESYNC
    assert classify(400, body, delta_token=True, page_token=False) is Verdict.STOP
    assert classify(400, body, delta_token=False, page_token=False, proven=True) is Verdict.STOP


def test_a_404_that_graph_did_not_write_is_not_an_object_that_is_gone() -> None:
    for body in (b"", b"<html>Not Found</html>", b'{"message":"no route"}', b'{"error":{}}'):
        assert classify(404, body, delta_token=False, page_token=False) is Verdict.STOP


def test_why_a_delta_token_died_is_said_without_a_link() -> None:
    assert resync_reason(410, b"") == "Microsoft Graph answered 410"
    assert resync_reason(400, envelope("syncStateNotFound")) == "Microsoft Graph answered 400 syncStateNotFound"
    old = envelope("Request_UnsupportedQuery", "DeltaLink https://graph.microsoft.com/x older than 30 days")
    assert "://" not in resync_reason(400, old)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_a_claims_challenge_is_read(claims: dict[str, str]) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(orjson.dumps(claims)).decode()
        for value in (text, text.rstrip("=")):
            header = f'Bearer realm="", error="insufficient_claims", claims="{value}"'
            assert orjson.loads(claims_challenge(header) or "") == claims


@given(st.text())
def test_no_challenge_breaks_the_reader(text: str) -> None:
    for header in (text, f'Bearer claims="{text}"', 'Bearer realm="", error="invalid_token"', None):
        claims = claims_challenge(header)
        assert claims is None or isinstance(orjson.loads(claims), dict)


@given(st.integers(100, 599), st.sampled_from([*RESYNC_CODES, "x"]), st.booleans())
def test_only_a_request_with_a_token_can_find_it_dead(status: int, code: str, page_token: bool) -> None:
    verdict = classify(status, envelope(code), delta_token=False, page_token=page_token)
    assert verdict is not Verdict.RESYNC
    if not page_token:
        assert verdict is not Verdict.RESTART_ROUND


@given(st.sampled_from([401, 403, 429, 500, 502, 503, 504]), st.sampled_from(sorted(RESYNC_CODES)))
def test_credentials_throttling_and_server_errors_never_touch_a_token(status: int, code: str) -> None:
    verdict = classify(status, envelope(code), delta_token=True, page_token=True)
    assert verdict not in {Verdict.RESYNC, Verdict.RESTART_ROUND}


@given(st.binary(max_size=60) | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(orjson.dumps))
def test_whatever_the_body_holds_it_is_judged(body: bytes) -> None:
    assert classify(400, body, delta_token=True, page_token=True) is Verdict.STOP
    assert error_code(body) == ""


def test_an_error_code_that_could_hold_personal_data_is_not_shown() -> None:
    assert error_code(envelope("noor@contoso.example says no")) == ""
    assert error_code(envelope("Request_BadRequest")) == "Request_BadRequest"


@given(st.floats(0, 1e8, allow_nan=False).map(lambda seconds: f"{seconds:.3f}"))
def test_retry_after_with_a_fraction(text: str) -> None:
    assert retry_after(f" {text} ", NOW) == float(text)


@given(st.integers(-1000, 100_000))
def test_retry_after_with_a_date(seconds: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(header, NOW) == max(0, seconds)


@pytest.mark.parametrize("text", [None, "", "soon", "-1", "nan", "inf", "1e9", "1,5", "٣", "2026-03-01", "9" * 400])
def test_a_malformed_retry_after_counts_as_missing(text: str | None) -> None:
    assert retry_after(text, NOW) is None


@given(st.text())
def test_no_retry_after_breaks_the_reader(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_grows_and_stays_bounded(attempt: int, jitter: float) -> None:
    assert 0 < backoff(attempt, 0.5, jitter) <= 30
    assert backoff(attempt, 0.5, 0) <= backoff(attempt + 1, 0.5, 0)


ROOT = "https://graph.microsoft.com"


@pytest.mark.parametrize(
    ("link", "same"),
    [
        (f"{ROOT}/v1.0/users/delta?$deltatoken=x", True),
        ("https://GRAPH.microsoft.com:443/v1.0", True),
        ("http://graph.microsoft.com/v1.0", False),
        ("https://graph.microsoft.com:444/v1.0", False),
        ("https://graph.microsoft.com.evil.example/v1.0", False),
        ("https://graph.microsoft.com@evil.example/v1.0", False),
        ("https://user@graph.microsoft.com/v1.0", False),
        ("https://evil.example/https://graph.microsoft.com", False),
        ("https://evil.example\\@graph.microsoft.com/", False),
        ("//graph.microsoft.com/v1.0", False),
        ("/v1.0/users", False),
        ("https://graph.microsoft.com:99999/", False),
        ("https://graph.microsoft.com\n.evil.example/", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_a_link_is_followed_only_to_the_root(link: object, same: bool) -> None:
    assert same_origin(ROOT, link) is same


@given(st.text(max_size=40))
def test_a_link_that_is_followed_names_the_root_host(rest: str) -> None:
    for link in (rest, f"https://{rest}", f"https://graph.microsoft.com{rest}"):
        if same_origin(ROOT, link):
            assert urlsplit(link).hostname == "graph.microsoft.com"


def token(claims: object) -> str:
    return "e30." + base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip("=") + ".signature"


@pytest.mark.parametrize(
    ("roles", "missing"),
    [
        (["Application.Read.All", "User.Read.All", "GroupMember.Read.All"], ()),
        (["directory.read.all"], ()),
        (["Application.ReadWrite.OwnedBy", "User.ReadWrite.All", "Group.Read.All"], ()),
        (["Application.Read.All", "GroupMember.Read.All"], ("User.Read.All",)),
        ([], ("Application.Read.All", "User.Read.All", "GroupMember.Read.All")),
    ],
)
def test_missing_permissions(roles: list[str], missing: tuple[str, ...]) -> None:
    assert missing_permissions(token({"roles": roles})) == missing


@given(st.text())
def test_a_token_that_cannot_be_read_is_not_judged(text: str) -> None:
    assert missing_permissions(text) == ()
    assert missing_permissions(f"a.{text}.c") == ()
    assert missing_permissions(token([text])) == ()
