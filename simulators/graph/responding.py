"""From a request to its answer: authentication, cost, throttling, endpoint, page faults, and the error envelope."""

import inspect
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import orjson
from multidict import CIMultiDict

from simulators.graph.call import Call
from simulators.graph.distortions import distort, upper_ids
from simulators.graph.exchange import Incoming, Reply
from simulators.graph.faults import PAGE_KINDS, Fault
from simulators.graph.odata import GraphError, bad_request, parse_options
from simulators.graph.pages import Page
from simulators.graph.routing import Answer, route
from simulators.graph.throttle import resource_units

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

CONTENT_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
DIAGNOSTIC = '{"ServerInfo":{"DataCenter":"Simulated","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"SIM0"}}'


class Responder:
    """Answers requests for one simulation."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim = sim
        self.count = 0

    def kind(self, incoming: Incoming) -> str:
        """The class of a request, as the journal names it."""
        return route(incoming.method, incoming.path)[0]

    async def respond(self, incoming: Incoming, fault: Fault | None) -> Reply:
        """The answer, which is an error envelope when the request was refused; never raises :class:`GraphError`."""
        reply = self.begin(incoming)
        try:
            if fault is not None and fault.kind in ("status", "throttle"):
                raise fault.error()
            await self._fill(reply, incoming, fault)
        except GraphError as error:
            self.refuse(reply, error)
        return reply

    def begin(self, incoming: Incoming) -> Reply:
        """An empty 200 with the headers that every answer carries."""
        self.count += 1
        request_id = f"{self.sim.tokens.generation}-0000-4000-8000-{self.count:012x}"
        headers = {
            "request-id": request_id,
            "client-request-id": incoming.headers.get("client-request-id", request_id),
            "x-ms-ags-diagnostic": DIAGNOSTIC,
            "x-ms-resource-unit": "1",
            "OData-Version": "4.0",
        }
        return Reply(headers=CIMultiDict(headers))

    def refuse(self, reply: Reply, error: GraphError) -> Reply:
        """The same answer as an error ("Microsoft Graph error responses and resource types")."""
        inner = {
            "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
            "request-id": reply.headers["request-id"],
            "client-request-id": reply.headers["client-request-id"],
        }
        reply.status = error.status
        reply.body = orjson.dumps({"error": {"code": error.code, "message": error.message, "innerError": inner}})
        reply.headers.update(error.headers)
        reply.headers["Content-Type"] = "application/json"
        self.sim.journal.announce(error.headers.get("Retry-After", ""))
        return reply

    def open(self, incoming: Incoming, fault: Fault | None = None) -> Call:
        """The call of a request whose bearer token was accepted; raises :class:`GraphError`."""
        try:
            content = incoming.content
        except ValueError:
            raise bad_request("Unable to read JSON request payload.") from None
        call = Call(
            sim=self.sim,
            path=incoming.path,
            origin=incoming.origin,
            options=parse_options(list(incoming.query)),
            authorization=incoming.headers.get("Authorization"),
            prefer=incoming.headers.get("Prefer", ""),
            eventual=incoming.headers.get("ConsistencyLevel", "").casefold() == "eventual",
            content=content,
            transactions_behind=fault.transactions if fault is not None and fault.kind == "stale" else 0,
        )
        call.authenticate()
        return call

    async def _fill(self, reply: Reply, incoming: Incoming, fault: Fault | None) -> None:
        kind, handle = route(incoming.method, incoming.path)
        call = self.open(incoming, fault)
        top = call.options.get("$top")
        number = int(top) if top and top.isdigit() else None
        reply.units = resource_units(kind, selects=call.options.get("$select") is not None, top=number)
        reply.headers["x-ms-resource-unit"] = str(reply.units)
        self._throttle(reply)
        found = handle(call)
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, Reply):
            reply.status, reply.body = found.status, found.body
            reply.headers.update(found.headers)
        else:
            reply.body = self._page(reply, call, handle, found, fault) if isinstance(found, Page) else found
        if reply.body:
            reply.headers.setdefault("Content-Type", CONTENT_TYPE)
            if self.sim.knobs.upper_case_ids:
                reply.body = upper_ids(reply.body)

    def _page(self, reply: Reply, call: Call, handle: Answer, page: Page, fault: Fault | None) -> bytes:
        if fault is not None and fault.kind in PAGE_KINDS:
            page = distort(fault, page, partial(_following, call, handle, page), self.sim)
        if page.applied:
            reply.headers["Preference-Applied"] = page.applied
        return page.body()

    def _throttle(self, reply: Reply) -> None:
        knobs = self.sim.knobs
        if knobs.throttling == "off":
            return
        wait, share = self.sim.bucket.spend(reply.units, self.sim.clock.now(), knobs.throttling)
        if share > 0.8:
            reply.headers["x-ms-throttle-limit-percentage"] = f"{min(share, 1.8):.2f}"
        if wait is not None:
            tenant = self.sim.directory.tenant
            extra = {
                "Retry-After": f"{wait:.3f}",
                "x-ms-throttle-scope": f"Tenant_Application/ReadWrite/{tenant.client_id}/{tenant.id}",
                "x-ms-throttle-information": "ResourceUnitLimitExceeded",
            }
            raise GraphError(429, "TooManyRequests", "Please retry again later.", extra)


def _following(call: Call, handle: Answer, page: Page) -> Page:
    call.options.known["$skiptoken"] = str(page.next_link).rpartition("$skiptoken=")[2]
    found = handle(call)
    assert isinstance(found, Page)
    return found
