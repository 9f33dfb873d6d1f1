"""A plain Graph client for the conformance tests: it speaks over the socket and knows nothing of the simulator's inside."""

from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDictProxy
from yarl import URL


@dataclass(slots=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.body["value"]
        return rows


@dataclass(slots=True)
class Graph:
    """`url` may be a path or a link that the server gave out; links are followed verbatim."""

    root: str
    http: aiohttp.ClientSession
    config: dict[str, Any] = field(default_factory=dict)
    token: str = ""

    async def call(self, method: str, url: str, **options: Any) -> Answer:
        target = URL(url if url.startswith("http") else self.root + url, encoded="%" in url)
        async with self.http.request(method, target, **options) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(response.status, response.headers, orjson.loads(raw) if raw and is_json else raw)

    async def get(self, url: str, **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.call("GET", url, headers=sent)

    async def send(self, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.call(method, url, headers=sent, **({} if body is None else {"json": body}))

    async def allow(self, *permissions: str) -> None:
        """Take a token with these application permissions."""
        await self.sim("POST", "knobs", {"permissions": list(permissions)})
        await self.authenticate()

    async def batch(self, *requests: dict[str, Any]) -> Answer:
        """One batch; requests without a method are GET."""
        return await self.send("POST", "/v1.0/$batch", {"requests": [{"method": "GET", **one} for one in requests]})

    async def sim(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.call(method, f"/_sim/{path}", json=body)
        assert answer.status < 300, answer.body
        return answer.body

    async def seed(self, *, users: int, groups: int, seed: int = 1, **more: int) -> dict[str, Any]:
        """A new tenant with default knobs and no faults, and a token for it."""
        plan = {"users": users, "groups": groups, "seed": seed, **more}
        seeded: dict[str, Any] = await self.sim("POST", "seed", plan)
        self.config = await self.sim("GET", "config")
        await self.authenticate()
        return seeded

    async def ask_token(self, **changes: str | None) -> Answer:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.config["clientId"],
            "client_secret": self.config["clientSecret"],
            "scope": f"{self.root}/.default",
            **changes,
        }
        tenant = form.pop("tenant", None) or self.config["tenantId"]
        data = {name: value for name, value in form.items() if value is not None}
        return await self.call("POST", f"/{tenant}/oauth2/v2.0/token", data=data)

    async def authenticate(self) -> None:
        self.token = (await self.ask_token()).body["access_token"]

    async def tx(self, *mutations: dict[str, Any]) -> Any:
        return await self.sim("POST", "tx", {"mutations": list(mutations)})

    async def assign(self, kind: str, principal: str, role: str = "User") -> Any:
        return await self.tx({"op": "assign", "principalType": kind, "principalId": principal, "role": role})

    async def fault(self, match: str, kind: str, **fields: Any) -> str:
        """Arm a fault."""
        armed: str = (await self.sim("POST", "faults", {"match": match, "kind": kind, **fields}))["id"]
        return armed

    @property
    def assigned_to(self) -> str:
        return f"/v1.0/servicePrincipals/{self.config['servicePrincipalId']}/appRoleAssignedTo"

    async def pages(self, url: str, **headers: str) -> list[Answer]:
        """All pages from `url` on, each checked for having at most one link."""
        pages: list[Answer] = []
        link: str | None = url
        while link is not None:
            pages.append(page := await self.get(link, **headers))
            assert page.status == 200, page.body
            link = page.body.get("@odata.nextLink")
            assert link is None or "@odata.deltaLink" not in page.body
            assert len(pages) < 1000
        return pages

    async def round(self, url: str, **headers: str) -> tuple[list[dict[str, Any]], str]:
        """The records of a delta round and its deltaLink."""
        pages = await self.pages(url, **headers)
        return [row for page in pages for row in page.rows], pages[-1].body["@odata.deltaLink"]
