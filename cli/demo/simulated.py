"""The control planes of the three simulators, as the demo and the benchmarks use them. No service knows them."""

from typing import Any

import aiohttp
import orjson

from cli.failures import CommandFailedError
from cli.system import Simulators


class Simulated:
    """Sets scenes in the simulated directory and target, and reads what really happened there."""

    def __init__(self, session: aiohttp.ClientSession, simulators: Simulators) -> None:
        self._session = session
        self.simulators = simulators
        self._last_write = 0

    async def _call(self, method: str, url: str, body: Any = None) -> Any:
        data = None if body is None else orjson.dumps(body)
        async with self._session.request(
            method, url, data=data, headers={"Content-Type": "application/json"}
        ) as response:
            content = await response.read()
            if response.status >= 400:
                raise CommandFailedError(f"the simulator at {url} answered {response.status}: {content[:200].decode()}")
            return orjson.loads(content) if content else None

    async def graph(self, method: str, path: str, body: Any = None) -> Any:
        """Call the Graph simulator below ``/_sim``."""
        return await self._call(method, f"{self.simulators.graph_url}/_sim{path}", body)

    async def linkedin(self, method: str, path: str, body: Any = None) -> Any:
        """Call the LinkedIn simulator below ``/_sim``."""
        return await self._call(method, f"{self.simulators.linkedin_url}/_sim{path}", body)

    async def mail(self, method: str, path: str, body: Any = None) -> Any:
        """Call the mail simulator below ``/_sim``."""
        return await self._call(method, f"{self.simulators.mail_url}/_sim{path}", body)

    async def change(self, *mutations: dict[str, Any]) -> dict[str, Any]:
        """Apply mutations to the directory in one transaction; returns when it happened and what was made."""
        answer: dict[str, Any] = await self.graph("POST", "/tx", {"mutations": list(mutations)})
        return answer

    async def people(self, limit: int) -> list[dict[str, Any]]:
        """Return the users of the directory with properties and the ids of their groups."""
        answer: dict[str, Any] = await self.graph("GET", f"/users?limit={limit}&offset=0")
        found: list[dict[str, Any]] = answer["users"]
        return found

    async def state(self) -> dict[str, Any]:
        """Return the counts of the target: users, active, duplicates, licensesInUse, requests by verb."""
        answer: dict[str, Any] = await self.linkedin("GET", "/state")
        return answer

    async def accounts(self) -> dict[str, dict[str, Any]]:
        """Return the accounts at the target by ``externalId``."""
        return {account["externalId"]: account for account in await self.linkedin("GET", "/users")}

    async def groups(self) -> list[dict[str, Any]]:
        """Return the groups at the target, each with the ids of the accounts that are its members."""
        found: list[dict[str, Any]] = await self.linkedin("GET", "/groups")
        return found

    async def last_write(self) -> int:
        """Return the sequence number of the newest write that the target was asked for."""
        for write in await self.writes(self._last_write):
            self._last_write = write["seq"]
        return self._last_write

    async def writes(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the writes that the target was asked for after sequence number ``since``, in order."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self.linkedin("GET", f"/writes?since={since}&limit=10000")
            found += page
            if len(page) < 10_000:
                return found
            since = page[-1]["seq"]
