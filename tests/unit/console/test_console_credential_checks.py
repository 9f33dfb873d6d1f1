"""Test Connection: each answer gets its own meaning, and no text of a peer ever gets through."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.credential_checks import (
    LIST_RESPONSE,
    Check,
    judge_service_principal,
    judge_target,
    judge_token,
    service_principal_request,
    target_request,
    token_request,
)
from shared.contracts.failure_codes import Code
from shared.contracts.job import MicrosoftGraphSource

SOURCE = MicrosoftGraphSource(tenant_id="t-1", client_id="c-1", service_principal_id="sp-1")


def body(content: Any) -> bytes:
    return orjson.dumps(content)


def test_the_target_is_asked_for_an_external_id_by_one_filter() -> None:
    request = target_request("https://target.example/scim", "not-a-real-token", "probe-1")
    assert request.url == "https://target.example/scim/Users?filter=externalId%20eq%20%22probe-1%22"
    assert request.headers["Authorization"] == "Bearer not-a-real-token"
    assert "not-a-real-token" not in repr(request)


def test_an_empty_list_response_is_what_is_hoped_for() -> None:
    check = judge_target(200, body({"schemas": [LIST_RESPONSE], "totalResults": 0, "Resources": []}))
    assert check.ok
    assert check.code is None


@pytest.mark.parametrize(
    ("status", "content", "code", "words"),
    [
        (
            401,
            {"message": "Empty oauth2_access_token", "serviceErrorCode": 401, "status": 401},
            Code.UNAUTHORIZED,
            "was refused",
        ),
        (401, {"message": "x", "serviceErrorCode": 65602, "status": 401}, Code.UNAUTHORIZED, "has expired"),
        (
            401,
            {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "401"},
            Code.UNAUTHORIZED,
            "was refused",
        ),
        (403, {"status": 403}, Code.INSUFFICIENT_RIGHTS, "may not"),
        (404, {"status": "404"}, Code.NOT_IMPLEMENTED, "no SCIM service"),
        (302, {}, Code.NOT_IMPLEMENTED, "points elsewhere"),
        (429, {}, Code.TOO_MANY_REQUESTS, "slow down"),
        (400, {"scimType": "invalidFilter", "status": 400}, Code.SERVICE_INCOMPATIBLE, "invalidFilter"),
        (503, {}, Code.INTERNAL_SERVER_ERROR, "failed"),
        (200, {"hello": "world"}, Code.SERVICE_INCOMPATIBLE, "not as a SCIM service"),
        (
            200,
            {"schemas": [LIST_RESPONSE], "totalResults": 5},
            Code.SERVICE_INCOMPATIBLE,
            "does not look at the filter",
        ),
        (200, {"schemas": [LIST_RESPONSE]}, Code.SERVICE_INCOMPATIBLE, "not as a SCIM service"),
    ],
)
def test_what_the_target_answers(status: int, content: Any, code: Code, words: str) -> None:
    check = judge_target(status, body(content))
    assert (check.ok, check.code) == (False, code)
    assert words in check.message
    assert check.advice


def test_not_json_is_not_scim() -> None:
    assert judge_target(200, b"<html>sign in</html>").code == Code.SERVICE_INCOMPATIBLE


@pytest.mark.parametrize(
    ("status", "content", "words"),
    [
        (401, {"error": "invalid_client", "error_codes": [7000215]}, "client secret is wrong"),
        (401, {"error": "invalid_client", "error_codes": [7000222]}, "expired"),
        (400, {"error": "unauthorized_client", "error_codes": [700016]}, "client id"),
        (400, {"error": "invalid_request", "error_codes": [90002]}, "tenant is not known"),
        (401, {"error": "invalid_client"}, "was refused"),
        (200, {"token_type": "Bearer"}, "not with a token"),
        (500, {}, "No access token"),
    ],
)
def test_what_the_token_endpoint_answers(status: int, content: Any, words: str) -> None:
    check = judge_token(status, body(content))
    assert isinstance(check, Check)
    assert words in check.message
    assert check.advice


def test_a_token_is_returned() -> None:
    assert judge_token(200, body({"access_token": "not-a-real-token"})) == "not-a-real-token"


@pytest.mark.parametrize(
    ("status", "content", "code"),
    [
        (401, {}, Code.SOURCE_REFUSED),
        (403, {"error": {"code": "Authorization_RequestDenied"}}, Code.SOURCE_REFUSED),
        (404, {"error": {"code": "Request_ResourceNotFound"}}, Code.SOURCE_REFUSED),
        (200, {"value": []}, Code.SOURCE_UNAVAILABLE),
        (503, {}, Code.SOURCE_UNAVAILABLE),
    ],
)
def test_what_graph_answers(status: int, content: Any, code: Code) -> None:
    check = judge_service_principal(status, body(content))
    assert (check.ok, check.code) == (False, code)


def test_the_source_works() -> None:
    assert judge_service_principal(200, body({"id": "sp-1", "appId": "c-1"})).ok
    assert service_principal_request(SOURCE, "x").url.startswith(
        "https://graph.microsoft.com/v1.0/servicePrincipals/sp-1?"
    )
    request = token_request(SOURCE, {"client_secret": "not-a-real-secret"})
    assert request.url == "https://login.microsoftonline.com/t-1/oauth2/v2.0/token"
    assert b"client_secret=not-a-real-secret" in (request.body or b"")
    assert "not-a-real-secret" not in repr(request)


CANARY = "canary-in-an-answer"


@given(
    st.integers(min_value=100, max_value=599),
    st.dictionaries(
        st.sampled_from(
            [
                "schemas",
                "totalResults",
                "detail",
                "scimType",
                "message",
                "serviceErrorCode",
                "error",
                "error_codes",
                "id",
                CANARY,
            ]
        ),
        st.one_of(st.just(CANARY), st.integers(-(2**63), 2**63), st.lists(st.just(CANARY), max_size=2), st.none()),
    ),
)
def test_no_text_of_a_peer_gets_through_and_nothing_fails_here(status: int, content: dict[str, Any]) -> None:
    raw = body(content)
    token = judge_token(status, raw)
    assert CANARY not in repr([judge_target(status, raw), judge_service_principal(status, raw)])
    assert isinstance(token, Check)
    assert CANARY not in repr(token)


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(raw: bytes) -> None:
    assert not judge_target(200, raw).ok
