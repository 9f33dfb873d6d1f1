"""Test Connection against the simulators, and against peers that do not answer as they should."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from simulators.graph.server import start as start_graph
from simulators.linkedin.server import LinkedInSimulator
from tests.support.builders_console import DEFINITION, Console, running_console
from tests.support.builders_source import pem_certificate, pem_key


@pytest.fixture
async def console(database_url: str) -> AsyncIterator[Console]:
    """A console that takes http to loopback, as the demonstration does."""
    async with running_console(
        database_url, allow_insecure_loopback=True, console_connection_test_seconds=1
    ) as running:
        yield running


class Peers:
    """Both simulators, and the credentials that they take."""

    def __init__(self, linkedin: LinkedInSimulator, graph: Any, token: str) -> None:
        self.linkedin = linkedin
        self.graph = graph
        self.token = token
        self.tenant = graph.simulation.directory.tenant

    def definition(self, **changes: Any) -> dict[str, Any]:
        source = {
            "tenantId": self.tenant.id,
            "clientId": self.tenant.client_id,
            "servicePrincipalId": self.tenant.service_principal_id,
            "graphRoot": self.graph.url,
            "loginRoot": self.graph.url,
        }
        target = {"tenantUrl": self.linkedin.tenant_url}
        return DEFINITION | {"source": source | changes.get("source", {}), "target": target | changes.get("target", {})}


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    """Running simulators."""
    linkedin = await LinkedInSimulator.start()
    graph = await start_graph(users=3)
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{linkedin.url}/_sim/configurations",
                json={
                    "name": "x",
                    "autoAssign": True,
                    "applicationInstance": "EMEA",
                    "licenseType": "Advanced",
                    "seats": 5,
                },
            ) as response,
        ):
            token = (await response.json())["token"]
        yield Peers(linkedin, graph, token)
    finally:
        await linkedin.close()
        await graph.close()


async def checks(console: Console, definition: dict[str, Any], **credentials: str) -> dict[str, Any]:
    job = (await console.call("POST", "/api/v1/jobs", definition)).json["id"]
    reply = await console.call("POST", f"/api/v1/jobs/{job}/validateCredentials", credentials or None, role="operator")
    assert reply.status == 200, reply.raw
    assert reply.json["ok"] is all(check["ok"] for check in reply.json["checks"])
    return {check["name"]: check for check in reply.json["checks"]}


async def test_the_right_credentials_work_before_they_are_saved_and_after(console: Console, peers: Peers) -> None:
    right = {"secretToken": peers.token, "clientSecret": peers.tenant.client_secret}
    found = await checks(console, peers.definition(), **right)
    assert {name: check["ok"] for name, check in found.items()} == {"target": True, "source": True}, found
    job = (await console.call("POST", "/api/v1/jobs", peers.definition())).json["id"]
    await console.call("PUT", f"/api/v1/jobs/{job}/secrets", right)
    assert (await console.call("POST", f"/api/v1/jobs/{job}/validateCredentials")).json["ok"] is True
    wrong = await console.call("POST", f"/api/v1/jobs/{job}/validateCredentials", {"secretToken": "not-a-real-token"})
    assert [check["ok"] for check in wrong.json["checks"]] == [False, True]


async def test_wrong_credentials_are_told_apart(console: Console, peers: Peers) -> None:
    found = await checks(console, peers.definition(), secretToken="not-a-real-token", clientSecret="not-a-real-secret")
    assert found["target"]["code"] == "Unauthorized"
    assert found["source"]["code"] == "SourceCredentialsRefused"
    assert "client secret is wrong" in found["source"]["message"]
    nothing = await checks(console, peers.definition())
    assert [check["message"] for check in nothing.values()] == ["secretToken is not set", "clientSecret is not set"]


async def test_a_certificate_works_once_the_application_has_it(console: Console, peers: Peers) -> None:
    definition = peers.definition(source={"credential": "clientCertificate"})
    certificate = pem_certificate()
    unknown = await checks(console, definition, secretToken=peers.token, clientCertificate=certificate + pem_key())
    assert "AADSTS700027" in unknown["source"]["message"]
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{peers.graph.url}/_sim/credentials", json={"kind": "certificate", "certificate": certificate}
        ) as said,
    ):
        assert said.status == 200, await said.text()
    known = await checks(console, definition, secretToken=peers.token, clientCertificate=certificate + pem_key())
    assert {name: check["ok"] for name, check in known.items()} == {"target": True, "source": True}, known


async def test_wrong_addresses_and_ids_are_told_apart(console: Console, peers: Peers) -> None:
    right = {"secretToken": peers.token, "clientSecret": peers.tenant.client_secret}
    elsewhere = peers.definition(
        target={"tenantUrl": f"{peers.linkedin.url}/elsewhere"},
        source={"servicePrincipalId": "00000000-0000-4000-8000-000000000000"},
    )
    found = await checks(console, elsewhere, **right)
    assert found["target"]["code"] == "NotImplemented"
    assert "404" in found["target"]["message"]
    assert "no such service principal" in found["source"]["message"]
    closed = {"tenantUrl": "http://127.0.0.1:1/scim"}
    unreachable = await checks(console, peers.definition(target=closed, source={"tenantId": "another"}), **right)
    assert unreachable["target"]["code"] == "WebExceptionProtocolError"
    assert "cannot be reached" in unreachable["target"]["message"]
    assert "tenant is not known" in unreachable["source"]["message"]


async def test_a_peer_that_is_silent_or_no_scim_service(console: Console, peers: Peers) -> None:
    silent = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path.startswith("/silent"):
            await silent.wait()
        return web.Response(text="<h1>canary of a page</h1>", content_type="text/html")

    runner = web.AppRunner(app := web.Application(), shutdown_timeout=0.1)
    app.router.add_route("*", "/{rest:.*}", answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    root = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        late = peers.definition(target={"tenantUrl": f"{root}/silent"}, source={"loginRoot": f"{root}/silent"})
        found = await checks(console, late, secretToken="not-a-real-token", clientSecret="x")
        assert found["target"]["code"] == "Timeout"
        assert "did not answer within 1 s" in found["target"]["message"]
        assert "did not answer within 1 s" in found["source"]["message"]
        page = peers.definition(target={"tenantUrl": f"{root}/page"}, source={"loginRoot": f"{root}/page"})
        found = await checks(console, page, secretToken="not-a-real-token", clientSecret="x")
        assert "not as a SCIM service" in found["target"]["message"]
        assert "not with a token" in found["source"]["message"]
        assert "canary" not in str(found)
    finally:
        silent.set()
        await runner.cleanup()
