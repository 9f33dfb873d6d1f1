"""A simulator on a free port, and a client that speaks plain HTTP to it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from simulators.linkedin import LinkedInSimulator

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Reply:
    """Status, headers and body of one answer; `json` is None when the body is empty or not JSON."""

    def __init__(self, status: int, headers: Any, text: str, json: Any) -> None:
        self.status = status
        self.headers = headers
        self.text = text
        self.json = json


class Service:
    """Requests to one simulator with one configuration's token."""

    def __init__(self, simulator: LinkedInSimulator, http: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.http = http
        self.token = ""
        self.configuration = ""

    async def request(self, method: str, url: str, json: Any = None, headers: dict[str, str] | None = None) -> Reply:
        async with self.http.request(method, url, json=json, headers=headers) as response:
            text = await response.text()
            content = (
                await response.json(content_type=None) if "json" in response.headers.get("Content-Type", "") else None
            )
            return Reply(response.status, response.headers, text, content)

    async def scim(self, method: str, path: str, json: Any = None, **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return await self.request(method, f"{self.simulator.tenant_url}{path}", json, sent)

    async def sim(self, method: str, path: str, json: Any = None) -> Reply:
        return await self.request(method, f"{self.simulator.url}/_sim{path}", json)

    async def configure(self, **changes: Any) -> Reply:
        wanted = {
            "name": "Entra",
            "autoAssign": True,
            "applicationInstance": "Sales Navigator EMEA",
            "licenseType": "Sales Navigator Advanced",
            "seats": 100,
        }
        reply = await self.sim("POST", "/configurations", {**wanted, **changes})
        self.token, self.configuration = reply.json["token"], reply.json["id"]
        return reply

    async def create(self, number: int = 1, **changes: Any) -> Reply:
        return await self.scim("POST", "/Users", user(number, **changes))

    async def patch(self, user_id: str, *operations: dict[str, Any], resource: str = "Users") -> Reply:
        return await self.scim(
            "PATCH", f"/{resource}/{user_id}", {"schemas": [PATCH_OP], "Operations": list(operations)}
        )

    async def find(self, external_id: str) -> Any:
        reply = await self.scim("GET", f'/Users?filter=externalId+eq+"{external_id}"')
        assert reply.status == 200, reply.text
        return reply.json["Resources"]

    async def find_raw(self, external_id: str = "nobody") -> Reply:
        return await self.scim("GET", f'/Users?filter=externalId+eq+"{external_id}"')

    async def settings(self, **changes: Any) -> None:
        reply = await self.sim("PATCH", "/settings", changes)
        assert reply.status == 200, reply.text

    async def fault(self, kind: str, **options: Any) -> str:
        reply = await self.sim("POST", "/faults", {"kind": kind, **options})
        assert reply.status == 201, reply.text
        return str(reply.json["id"])

    async def state(self) -> Any:
        return (await self.sim("GET", "/state")).json


def user(number: int = 1, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "schemas": [CORE, ENTERPRISE],
        "externalId": f"person-{number}",
        "userName": f"person{number}@example.com",
        "active": True,
        "name": {"givenName": "Person", "familyName": str(number)},
        "displayName": f"Person {number}",
        "title": "Account Executive",
        "emails": [{"type": "work", "value": f"person{number}@example.com", "primary": True}],
        "addresses": [{"type": "work", "locality": "Oslo"}],
        ENTERPRISE: {"department": "Sales"},
    }
    document.update(changes)
    return {name: value for name, value in document.items() if value is not None}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    simulator = await LinkedInSimulator.start()
    async with aiohttp.ClientSession() as http:
        ready = Service(simulator, http)
        await ready.configure()
        yield ready
    await simulator.close()
