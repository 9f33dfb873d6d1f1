"""A simulated Microsoft Graph as the directory behind a source."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from services.assignment_watcher.graph.gateway import Graph
from services.assignment_watcher.graph.retries import Gate, Patience
from services.assignment_watcher.graph.tokens.credentials import ClientSecret
from services.assignment_watcher.graph.tokens.plain import PlainTokenRequest
from services.assignment_watcher.graph.tokens.provider import KeptTokens
from services.assignment_watcher.sources.microsoft_graph import MicrosoftGraph
from services.assignment_watcher.sources.source import Source
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.http import HttpClient
from tests.conformance.graph.client import Graph as Client
from tests.conformance.sources.world import ATTRIBUTES, Person

IMPATIENT = Patience(tries=2, seconds=5, first_wait_seconds=0.01)
WRONG_SECRET = "not-the-secret"
NOWHERE = "0b0b0b0b-0000-4000-8000-00000000000b"


class GraphWorld:
    """A tenant that is steered over the control plane of its simulator."""

    def __init__(self, client: Client, http: HttpClient) -> None:
        self._client = client
        self._http = http
        self._principal = client.config["servicePrincipalId"]
        self._secret = client.config["clientSecret"]
        self.private = {self._secret, WRONG_SECRET, client.token}
        self.breakages: Mapping[str, Callable[[], Awaitable[None]]] = {
            "server error": self._always("status", status=500),
            "unavailable": self._always("status", status=503),
            "not JSON": self._always("html502"),
            "body cut off": self._always("truncate"),
            "connection reset": self._always("reset"),
            "throttled without end": self._always("throttle", retryAfter="3600"),
            "wrong secret": self._wrong_secret,
            "no such application": self._no_application,
            "consent withdrawn": self._no_consent,
            "pages without end": self._always("loop"),
            "a link to another host": self._always("foreignLink"),
        }

    def source(self, attributes: Sequence[str] = ATTRIBUTES) -> Source:
        return self._open(self._principal, attributes)

    def elsewhere(self) -> Source:
        return self._open(NOWHERE, ATTRIBUTES)

    def _open(self, principal: str, attributes: Sequence[str]) -> Source:
        job = MicrosoftGraphSource(
            tenant_id=self._client.config["tenantId"],
            client_id=self._client.config["clientId"],
            service_principal_id=principal,
            graph_root=self._client.root,
            login_root=self._client.root,
        )
        request = PlainTokenRequest(job, ClientSecret(self._secret), http=self._http)
        tokens = KeptTokens(request, patience=IMPATIENT)
        graph = Graph(job.graph_root, tokens=tokens, http=self._http, gate=Gate(), patience=IMPATIENT)
        return MicrosoftGraph(graph, job, attributes)

    async def come(self, *new: Person) -> None:
        self.private |= {
            value for person in new for value in (person.id, person.name, person.properties["displayName"])
        }
        await self._client.tx(
            *({"op": "createUser", "userId": person.id, "properties": person.properties} for person in new),
            *({"op": "assign", "principalType": "User", "principalId": person.id, "role": "User"} for person in new),
        )

    async def change(self, person: Person, **properties: Any) -> None:
        if "manager" in properties:
            manager = properties.pop("manager")
            named = {"managerId": manager} if manager else {}
            await self._client.tx({"op": "setManager", "userId": person.id} | named)
        if properties:
            await self._client.tx({"op": "updateUser", "userId": person.id, "properties": properties})

    async def go(self, person: Person) -> None:
        await self._client.tx(
            {"op": "unassign", "principalId": person.id}, {"op": "softDeleteUser", "userId": person.id}
        )
        await self._client.tx({"op": "hardDeleteUser", "userId": person.id})

    async def shout(self) -> None:
        await self._client.sim("POST", "knobs", {"upperCaseIds": True})

    async def mend(self) -> None:
        await self._client.sim("DELETE", "faults")
        await self._client.sim("POST", "knobs", {"consentRevoked": False})
        self._secret = self._client.config["clientSecret"]
        self._principal = self._client.config["servicePrincipalId"]

    def _always(self, kind: str, **more: Any) -> Callable[[], Awaitable[None]]:
        async def arm() -> None:
            # In one place only: the rest must go on giving what it gave.
            match = "/appRoleAssignedTo|/users/delta"
            await self._client.sim("POST", "faults", {"match": match, "kind": kind, "times": None, **more})

        return arm

    async def _wrong_secret(self) -> None:
        self._secret = WRONG_SECRET

    async def _no_application(self) -> None:
        self._principal = NOWHERE

    async def _no_consent(self) -> None:
        await self._client.sim("POST", "knobs", {"consentRevoked": True})
