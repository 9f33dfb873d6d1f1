"""A Microsoft Graph source that reads a simulated tenant, without the rest of a watcher."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from services.assignment_watcher.graph.gateway import Graph
from services.assignment_watcher.graph.retries import Gate, Patience
from services.assignment_watcher.graph.tokens.credentials import ClientSecret, Credential
from services.assignment_watcher.graph.tokens.plain import PlainTokenRequest
from services.assignment_watcher.graph.tokens.provider import KeptTokens, TokenProvider
from services.assignment_watcher.sources.microsoft_graph import MicrosoftGraph
from services.assignment_watcher.sources.source import ChangePage, Stream
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.http import Answer, HttpClient
from tests.support.graph_tenants import Tenant

PATIENCE = Patience(tries=4, seconds=10, first_wait_seconds=0.01)


def a_definition(tenant: Tenant, **changes: Any) -> MicrosoftGraphSource:
    config = tenant.config
    values = {
        "tenant_id": config["tenantId"],
        "client_id": config["clientId"],
        "service_principal_id": config["servicePrincipalId"],
        "graph_root": tenant.url,
        "login_root": tenant.url,
    }
    return MicrosoftGraphSource(**(values | changes))


class RecordingHttp(HttpClient):
    """The real client, which also remembers what it was asked to send."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__("microsoft-graph", allow_insecure_loopback=True, tls=tls)
        self.sent: list[tuple[str, str, dict[str, str], bool]] = []
        self.answers: list[Answer] = []

    async def request(self, method: str, url: str, **more: Any) -> Answer:  # type: ignore[override] # the same call, passed on
        self.sent.append((method, url, dict(more.get("headers") or {}), more.get("new_connection", False)))
        answer = await super().request(method, url, **more)
        self.answers.append(answer)
        return answer


@dataclass
class Opened:
    """What a test looks at: the source, its gateway, and the client below it."""

    source: MicrosoftGraph
    graph: Graph
    http: RecordingHttp
    tokens: TokenProvider
    definition: MicrosoftGraphSource
    pages: list[ChangePage] = field(default_factory=list)

    async def rows(self) -> list[Any]:
        return [row async for page in self.source.read_assignments() for row in page]

    async def round(self, stream: Stream, link: str | None = None, **more: Any) -> list[ChangePage]:
        self.pages = []
        async for page in self.source.read_changes(stream, link, **more):
            self.pages.append(page)
        return self.pages


@asynccontextmanager
async def a_graph_source(
    tenant: Tenant,
    *,
    attributes: tuple[str, ...] = ("city",),
    patience: Patience = PATIENCE,
    credential: Credential | None = None,
    gate: Gate | None = None,
    **changes: Any,
) -> AsyncIterator[Opened]:
    definition, http = a_definition(tenant, **changes), RecordingHttp()
    request = PlainTokenRequest(definition, credential or ClientSecret(tenant.config["clientSecret"]), http=http)
    tokens = KeptTokens(request, patience=patience)
    graph = Graph(definition.graph_root, tokens=tokens, http=http, gate=gate or Gate(), patience=patience)
    try:
        yield Opened(MicrosoftGraph(graph, definition, attributes), graph, http, tokens, definition)
    finally:
        await http.close()
