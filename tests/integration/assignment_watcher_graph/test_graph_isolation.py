"""Nothing leaks: the token goes to the Graph root alone, and no token, secret or link gets into logs and errors (I9)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from services.assignment_watcher.graph.retries import Gate
from services.assignment_watcher.sources.source import SourceError, SourceUnavailableError, Stream
from tests.support.eventually import eventually
from tests.support.graph_sources import Opened, a_graph_source
from tests.support.graph_tenants import Tenant, a_graph_tenant


@pytest.fixture
async def foreign() -> AsyncIterator[Tenant]:
    async with a_graph_tenant() as running:
        yield running


@pytest.mark.parametrize("stream", list(Stream))
@pytest.mark.parametrize("page_size", [10, 1000], ids=["nextLink", "deltaLink"])
async def test_i9_a_link_to_another_host_is_not_followed_nor_handed_on(
    opened: Opened, tenant: Tenant, foreign: Tenant, stream: Stream, page_size: int
) -> None:
    await tenant.knobs(pageSize=page_size, memberSlice=3, pageMembers=page_size)
    await tenant.fault(f"{stream}/delta", "foreignLink", origin=foreign.url)
    with pytest.raises(SourceUnavailableError, match="another host"):
        await opened.round(stream)
    assert opened.pages == [], "a page with such a link is not believed"
    assert (await foreign.journal())["requests"] == {}
    assert not [url for _, url, _, _ in opened.http.sent if not url.startswith(tenant.url)]


async def test_i9_a_stored_link_to_another_host_is_not_followed(opened: Opened, foreign: Tenant) -> None:
    for link in (f"{foreign.url}/v1.0/users/delta?$deltatoken=x", "https://graph.microsoft.com/v1.0/users/delta"):
        with pytest.raises(SourceUnavailableError, match="another host"):
            await opened.round(Stream.USERS, link)
        with pytest.raises(SourceUnavailableError, match="another host"):
            await opened.round(Stream.USERS, None, page=link)
    assert opened.http.sent == []


async def test_i9_no_token_secret_or_link_is_logged_or_said(opened: Opened, tenant: Tenant) -> None:
    await tenant.knobs(pageSize=10)
    secrets = [tenant.config["clientSecret"]]
    said = []
    with capture_logs() as logs:
        link = (await opened.round(Stream.USERS))[-1].link
        assert link is not None
        secrets += [link.partition("=")[2], await opened.tokens.token()]
        for fault in (
            {"kind": "status", "status": 500, "times": None},
            {"kind": "status", "status": 400, "times": None},
            {"kind": "status", "status": 403, "times": None},
            {"kind": "status", "status": 401, "times": None},
            {"kind": "truncate", "whole": True, "times": None},
            {"kind": "reset", "times": None},
            {"kind": "foreignLink"},
        ):
            await tenant.fault("users/delta", **fault)
            for start in (link, None):
                try:
                    await opened.round(Stream.USERS, start)
                except SourceError as error:
                    said.append(repr(error) + error.failure.model_dump_json())
            await tenant.ask("DELETE", "/_sim/faults")
        secrets.append(await opened.tokens.token())
    assert len(said) >= 12
    assert len(logs) > 20
    text = repr(logs) + repr(said)
    assert not [secret for secret in secrets if secret in text]
    assert "deltatoken" not in text.lower()
    assert "skiptoken" not in text.lower()


async def test_every_try_has_its_own_client_request_id_and_the_log_gives_both_ids(
    opened: Opened, tenant: Tenant
) -> None:
    await tenant.fault("appRoleAssignedTo", "status", status=500, times=2)
    with capture_logs() as logs:
        await opened.rows()
    ids = [headers["client-request-id"] for method, _, headers, _ in opened.http.sent if method == "GET"]
    assert len(set(ids)) == len(ids) == 3
    retries = [entry for entry in logs if entry.get("action") == "retry"]
    assert [entry["client_request_id"] for entry in retries] == ids[:2]
    assert all(entry["request_id"] and entry["date"] for entry in retries)


async def test_all_sources_of_one_application_wait_together(tenant: Tenant) -> None:
    gate = Gate()
    async with a_graph_source(tenant, gate=gate) as one, a_graph_source(tenant, gate=gate) as other:
        await one.source.read_roles()
        await other.source.read_roles()
        await tenant.fault("users/delta", "throttle", retryAfter="0.4")
        throttled = asyncio.create_task(one.round(Stream.USERS))
        await eventually(lambda: gate.remaining > 0, every=0.001)
        await asyncio.gather(throttled, *(other.source.read_roles() for _ in range(30)), other.rows())
    assert (await tenant.journal())["duringRetryAfter"] == 0
    assert other.source.traffic.waited_seconds > 0.1


async def test_a_tenant_that_throttles_again_and_again_is_never_asked_during_a_wait(
    opened: Opened, tenant: Tenant
) -> None:
    await opened.source.read_roles()
    users = await tenant.users()
    await tenant.fault("users/[0-9a-f-]{36}$", "throttle", retryAfter="0.05", nth=5, times=40)
    await tenant.fault("users/delta", "throttle", retryAfter="0.05", times=2)
    # One after the other: what is under way when the answer comes cannot be called back.
    found, pages = await opened.source.find_users(users[:40]), await opened.round(Stream.USERS)
    assert len(found) == 40
    assert pages[-1].link
    assert (await tenant.journal())["duringRetryAfter"] == 0
