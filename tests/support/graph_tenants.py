"""Simulated Microsoft Graph tenants, steered over their control plane."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from simulators.graph.server import start


@dataclass
class Tenant:
    """A simulated tenant. ``url`` is its Graph root and its login root."""

    url: str
    session: aiohttp.ClientSession
    config: dict[str, Any] = field(default_factory=dict)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        async with self.session.request(method, self.url + path, json=body) as response:
            content = await response.read()
            assert response.status < 300, content
            return orjson.loads(content) if content else None

    async def tx(self, *mutations: dict[str, Any]) -> list[dict[str, Any]]:
        return list((await self.ask("POST", "/_sim/tx", {"mutations": list(mutations)}))["results"])

    async def assign(self, principal: str, *, kind: str = "User", role: str = "User") -> str:
        [result] = await self.tx({"op": "assign", "principalType": kind, "principalId": principal, "role": role})
        return str(result["assignmentId"])

    async def fault(self, match: str, kind: str, **more: Any) -> str:
        return str((await self.ask("POST", "/_sim/faults", {"match": match, "kind": kind, **more}))["id"])

    async def knobs(self, **values: Any) -> None:
        await self.ask("POST", "/_sim/knobs", values)

    async def users(self) -> list[str]:
        return [user["id"] for user in (await self.ask("GET", "/_sim/users?limit=1000000"))["users"]]

    async def groups(self) -> list[str]:
        return [group["id"] for group in (await self.ask("GET", "/_sim/groups"))["groups"]]

    async def journal(self) -> dict[str, Any]:
        return dict(await self.ask("GET", "/_sim/journal?entries=true"))

    async def requests(self) -> dict[str, int]:
        """How many requests of each kind came since the journal was last forgotten."""
        return {kind: counted["count"] for kind, counted in (await self.journal())["requests"].items()}


@asynccontextmanager
async def a_graph_tenant(
    *, users: int = 0, groups: int = 0, seed: int = 1, tls_ca_file: Path | None = None
) -> AsyncIterator[Tenant]:
    """With ``tls_ca_file`` it speaks TLS; the authority to trust is written there."""
    simulator = await start(users=users, groups=groups, seed=seed, tls_ca_file=tls_ca_file)
    tls = ssl.create_default_context(cafile=str(tls_ca_file)) if tls_ca_file else True
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        tenant = Tenant(simulator.url, session)
        tenant.config = await tenant.ask("GET", "/_sim/config")
        try:
            yield tenant
        finally:
            await simulator.close()
