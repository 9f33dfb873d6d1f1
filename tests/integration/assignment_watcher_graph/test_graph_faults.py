"""Every fault of the wire by its name: what was asked for is read all the same, or the read ends with a clear reason."""

from typing import Any

import orjson
import pytest

from services.assignment_watcher.graph.retries import Patience
from services.assignment_watcher.sources.source import (
    RestartRoundError,
    ResyncError,
    SourceRefusedError,
    SourceUnavailableError,
    Stream,
)
from shared.contracts.assignments import Lifecycle
from tests.support.graph_sources import Opened, a_graph_source
from tests.support.graph_tenants import Tenant

PASSING: dict[str, dict[str, Any]] = {
    "429 with Retry-After in whole seconds": {"kind": "throttle", "retryAfter": "1"},
    "429 with Retry-After in fractions": {"kind": "throttle", "retryAfter": "0.05"},
    "429 with Retry-After as a date": {"kind": "throttle", "retryAfter": "date", "seconds": 0.1},
    "429 with Retry-After of nothing": {"kind": "throttle", "retryAfter": "0"},
    "429 without Retry-After": {"kind": "throttle"},
    "429 with a Retry-After that is no time": {"kind": "throttle", "retryAfter": "a moment"},
    "500": {"kind": "status", "status": 500},
    "500 with Retry-After": {"kind": "status", "status": 500, "retryAfter": "0.05"},
    "502 with a web page": {"kind": "html502"},
    "503": {"kind": "status", "status": 503},
    "504": {"kind": "status", "status": 504},
    "connection reset before the headers": {"kind": "reset", "times": 3},
    "connection lost in the body": {"kind": "truncate"},
    "200 that is cut short": {"kind": "truncate", "whole": True},
    "slow first byte": {"kind": "slow", "seconds": 0.05},
    "401 once": {"kind": "status", "status": 401},
}


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize(
    "path", ["servicePrincipals/[^/]+$", "appRoleAssignedTo", "groups/delta", "users/delta", "oauth2"]
)
async def test_what_passes_is_waited_for(opened: Opened, tenant: Tenant, name: str, path: str) -> None:
    if path == "oauth2" and name == "401 once":
        pytest.skip("a login root that says 401 refuses the client")
    users = await tenant.users()
    await tenant.assign(users[0])
    await tenant.knobs(pageSize=25)
    fault = await tenant.fault(path, **PASSING[name])
    assert await opened.source.read_roles()
    assert len(await opened.rows()) == 1
    assert sum(page.records for page in await opened.round(Stream.GROUPS)) == 4
    assert sum(page.records for page in await opened.round(Stream.USERS)) == 60
    assert (await tenant.ask("GET", f"/_sim/faults/{fault}"))["fired"] >= 1
    assert (await tenant.journal())["duringRetryAfter"] == 0


@pytest.mark.parametrize("name", PASSING)
async def test_a_batch_as_a_whole_is_tried_again(opened: Opened, tenant: Tenant, name: str) -> None:
    users = (await tenant.users())[:25]
    await tenant.fault(r"\$batch", **PASSING[name])
    found = await opened.source.find_users(users)
    assert [each.lifecycle for each in found] == [Lifecycle.LIVE] * 25
    assert (await tenant.journal())["duringRetryAfter"] == 0


@pytest.mark.parametrize(
    "fault",
    [{"kind": "throttle", "retryAfter": "0.2"}, {"kind": "status", "status": 503}, {"kind": "status", "status": 500}],
)
async def test_reads_inside_a_batch_are_tried_again_on_their_own_and_after_their_own_wait(
    opened: Opened, tenant: Tenant, fault: dict[str, Any]
) -> None:
    users = (await tenant.users())[:20]
    await opened.source.read_roles()
    await tenant.fault("users/[0-9a-f-]{36}$", **fault, times=7)
    found = await opened.source.find_users(users)
    assert [each.lifecycle for each in found] == [Lifecycle.LIVE] * 20
    requests = await tenant.requests()
    assert requests["$batch"] == 2
    assert requests["$batch user"] == 27, "only what was not answered is asked for again"
    assert (await tenant.journal())["duringRetryAfter"] == 0
    if fault["kind"] == "throttle":
        taken = opened.source.traffic.take()
        assert taken.throttled == 7
        assert taken.waited_seconds >= 0.19


async def test_a_read_inside_a_batch_that_never_succeeds_ends_the_batch(opened: Opened, tenant: Tenant) -> None:
    users = (await tenant.users())[:5]
    await tenant.fault(f"users/{users[2]}$", "status", status=500, times=None)
    with pytest.raises(SourceUnavailableError, match="user in a batch with 500 InternalServerError; tried 4 times"):
        await opened.source.find_users(users)


async def test_a_refusal_inside_a_batch_names_the_permission(opened: Opened, tenant: Tenant) -> None:
    users = (await tenant.users())[:5]
    await opened.source.read_roles()
    await tenant.fault(f"users/{users[2]}$", "status", status=403)
    with pytest.raises(SourceRefusedError, match=r"User\.Read\.All"):
        await opened.source.find_users(users)


async def test_a_token_refused_inside_a_batch_is_renewed_once(opened: Opened, tenant: Tenant) -> None:
    users = (await tenant.users())[:5]
    await tenant.fault("users/[0-9a-f-]{36}$", "status", status=401, times=5)
    assert len(await opened.source.find_users(users)) == 5
    await tenant.fault("users/[0-9a-f-]{36}$", "status", status=401, times=None)
    with pytest.raises(SourceRefusedError, match="with a new access token too"):
        await opened.source.find_users(users)
    requests = await tenant.requests()
    assert requests["token"] <= 4


@pytest.mark.parametrize(("status", "fresh"), [(503, True), (504, True), (500, False), (429, False)])
async def test_only_an_overloaded_server_is_asked_again_over_a_new_connection(
    opened: Opened, tenant: Tenant, status: int, fresh: bool
) -> None:
    await opened.source.read_roles()
    opened.http.sent.clear()
    await tenant.fault("appRoleAssignedTo", "status", status=status)
    await opened.rows()
    assert [new for _, _, _, new in opened.http.sent] == [False, fresh]


async def test_an_absurd_retry_after_is_capped_and_said(tenant: Tenant) -> None:
    async with a_graph_source(tenant, patience=Patience(tries=4, seconds=2, first_wait_seconds=0.01)) as opened:
        await tenant.fault("appRoleAssignedTo", "throttle", retryAfter="86400")
        with pytest.raises(SourceUnavailableError, match="asks to wait 86400 s, of which 900 s are waited"):
            await opened.rows()
        with pytest.raises(SourceUnavailableError, match="asks to wait 900 s, longer than one request may take"):
            await opened.source.read_roles()
        assert (await tenant.requests())["appRoleAssignedTo"] == 1
        assert "servicePrincipal" not in await tenant.requests(), "nobody asks during an announced wait"


async def test_a_token_is_renewed_once_and_then_refused(opened: Opened, tenant: Tenant) -> None:
    await opened.source.read_roles()
    await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "access"})
    await opened.rows()
    assert (await tenant.requests())["token"] == 2
    await tenant.fault("appRoleAssignedTo", "status", status=401, times=None)
    with pytest.raises(SourceRefusedError, match="401 InvalidAuthenticationToken, with a new access token too"):
        await opened.rows()
    assert (await tenant.requests())["token"] == 3


@pytest.mark.parametrize("status", [301, 400, 404, 405, 409, 418])
async def test_an_answer_that_nobody_expects_ends_the_read(opened: Opened, tenant: Tenant, status: int) -> None:
    await tenant.fault("appRoleAssignedTo", "status", status=status)
    with pytest.raises(SourceUnavailableError, match=str(status)):
        await opened.rows()
    assert (await tenant.requests())["appRoleAssignedTo"] == 1


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("410", "Microsoft Graph answered 410 resyncRequired"),
        ("syncStateNotFound", "Microsoft Graph answered 400 syncStateNotFound"),
        ("30days", "the delta token is older than Microsoft Graph keeps it"),
    ],
)
async def test_a_dead_delta_token_says_why_without_its_link(
    opened: Opened, tenant: Tenant, shape: str, reason: str
) -> None:
    link = (await opened.round(Stream.USERS))[-1].link
    await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "delta", "shape": shape})
    with pytest.raises(ResyncError) as caught:
        await opened.round(Stream.USERS, link)
    assert str(caught.value) == reason


async def test_a_dead_page_token_is_first_asked_for_again_by_the_last_good_link(opened: Opened, tenant: Tenant) -> None:
    await tenant.knobs(pageSize=10)
    # The third page has to be asked for twice; the link that it gives is then said to be dead.
    await tenant.fault("users/delta", "status", status=503, nth=3)
    await tenant.fault("users/delta", "status", status=400, code="DirectoryPageTokenNotFoundException", nth=4)
    pages = await opened.round(Stream.USERS)
    users = [record["id"] for page in pages for record in orjson.loads(page.body)["value"]]
    assert users == await tenant.users(), "nobody is missing, and nobody comes twice"
    assert pages[-1].link


@pytest.mark.parametrize("code", ["DirectoryPageTokenNotFoundException", "Directory_ExpiredPageToken"])
async def test_a_page_token_that_stays_dead_restarts_the_round(opened: Opened, tenant: Tenant, code: str) -> None:
    await tenant.knobs(pageSize=10)
    await tenant.fault("users/delta", "status", status=400, code=code, nth=3, times=None)
    with pytest.raises(RestartRoundError):
        await opened.round(Stream.USERS)
    assert (await tenant.requests())["users/delta"] == 4


@pytest.mark.parametrize(("path", "what"), [("users/delta", "users/delta"), ("groups/delta", "groups/delta")])
async def test_a_chain_of_pages_that_loops_is_cut_and_named(
    opened: Opened, tenant: Tenant, path: str, what: str
) -> None:
    await tenant.knobs(pageSize=3)
    await tenant.fault(path, "loop", times=None)
    with pytest.raises(
        SourceUnavailableError, match=f"repeats pages of {what} without end; the read was cut at page 3"
    ):
        await opened.round(Stream(path.partition("/")[0]))


async def test_a_listing_that_loops_is_cut_and_named(opened: Opened, tenant: Tenant) -> None:
    await tenant.assign((await tenant.users())[0])
    await tenant.fault("appRoleAssignedTo", "loop", times=None)
    with pytest.raises(SourceUnavailableError, match="repeats pages of appRoleAssignedTo"):
        await opened.rows()


async def test_empty_pages_with_a_link_are_walked_through(opened: Opened, tenant: Tenant) -> None:
    await tenant.knobs(emptyPages=True, pageSize=10)
    pages = await opened.round(Stream.USERS)
    assert sum(page.records for page in pages) == 60
    assert {page.body for page in pages if not page.records} == {""}
