"""The front of ``/v1.0`` and of the token endpoint: routing, headers, latency, faults and throttling."""

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from simulators.graph import assignments, identity, resources
from simulators.graph.call import Call
from simulators.graph.delta import delta
from simulators.graph.faults import HTML, PAGE_KINDS, Fault
from simulators.graph.odata import GraphError, bad_request, parse_options
from simulators.graph.pages import Page
from simulators.graph.throttle import resource_units

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

CONTENT_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
DIAGNOSTIC = '{"ServerInfo":{"DataCenter":"Simulated","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"SIM0"}}'
_KEYED = re.compile(r"(\w+)\((appId=)?'([^']*)'\)")
_DELTA = frozenset({"delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"})

Answer = Callable[[Call], Page | bytes]


def route(path: str) -> tuple[str, Answer]:
    """The class of a request, for the journal, and what answers it. An unknown path is answered with 400."""
    segments: list[str] = []
    for segment in path.removeprefix("/v1.0/").split("/"):
        keyed = _KEYED.fullmatch(segment)
        segments += [keyed[1], (keyed[2] or "") + keyed[3]] if keyed else [segment]
    if segments[0] in ("users", "groups") and segments[1:] and segments[1] in _DELTA:
        segments[1] = "delta"
    return _resource(segments) or ("unknown", _unknown)


def _resource(segments: list[str]) -> tuple[str, Answer] | None:
    found: tuple[str, Answer] | None = None
    match segments:
        case ["servicePrincipals", key]:
            found = "servicePrincipal", lambda call: assignments.service_principal(call, key)
        case ["servicePrincipals", key, "appRoleAssignedTo"]:
            found = "appRoleAssignedTo", lambda call: assignments.assigned_to(call, key)
        case ["servicePrincipals", key, "appRoleAssignedTo", assignment_id]:
            found = "appRoleAssignment", lambda call: assignments.assignment(call, key, assignment_id)
        case ["users" | "groups" as plural]:
            found = plural, lambda call: resources.listing(call, plural[:-1])
        case ["users" | "groups" as plural, "delta"]:
            found = f"{plural}/delta", lambda call: _tracked(call, plural)
        case ["users" | "groups" as plural, key]:
            found = plural[:-1], lambda call: resources.entity(call, plural[:-1], key)
        case ["groups", key, "members"]:
            found = "groups/members", lambda call: resources.members(call, key)
    return found


def _tracked(call: Call, kind: str) -> Page:
    call.require(kind[:-1])
    return delta(call, kind)


def _unknown(call: Call) -> bytes:
    segment = call.path.rstrip("/").rpartition("/")[2]
    raise bad_request(f"Resource not found for the segment '{segment[:60]}'.")


class Gate:
    """Answers requests for one simulation."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._count = 0

    async def graph(self, request: web.Request) -> web.StreamResponse:
        """Any request to ``/v1.0``."""
        call_class, handle = route(request.path)
        pairs = list(request.query.items())
        self._count += 1
        request_id = f"{self._sim.tokens.generation}-0000-4000-8000-{self._count:012x}"
        headers = {
            "request-id": request_id,
            "client-request-id": request.headers.get("client-request-id", request_id),
            "x-ms-ags-diagnostic": DIAGNOSTIC,
            "OData-Version": "4.0",
        }
        units = 1

        def respond(fault: Fault | None) -> web.Response:
            nonlocal units
            options = parse_options(pairs)
            call = Call(
                sim=self._sim,
                path=request.path,
                origin=f"{request.scheme}://{request.host}",
                options=options,
                authorization=request.headers.get("Authorization"),
                prefer=request.headers.get("Prefer", ""),
            )
            if request.method != "GET":
                raise GraphError(
                    405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
                )
            call.authenticate()
            top = options.get("$top")
            number = int(top) if top and top.isdigit() else None
            units = resource_units(call_class, selects=options.get("$select") is not None, top=number)
            headers["x-ms-resource-unit"] = str(units)
            self._throttle(units, headers)
            found = handle(call)
            if isinstance(found, Page):
                if fault is not None and fault.kind in PAGE_KINDS:
                    found = fault.distort(found, partial(_following, call, handle, found))
                if found.applied:
                    headers["Preference-Applied"] = found.applied
                found = found.body()
            return web.Response(body=found, headers={**headers, "Content-Type": CONTENT_TYPE})

        def answer(fault: Fault | None) -> web.Response:
            try:
                if fault is not None and fault.kind in ("status", "throttle"):
                    raise fault.error()
                return respond(fault)
            except GraphError as error:
                return _envelope(error, headers)

        response = await self._through(request, answer)
        self._sim.journal.record(call_class, response.status if response else "reset", units)
        return response or web.Response(status=500)  # after a reset nobody is there to read it

    async def token(self, request: web.Request) -> web.StreamResponse:
        """``POST /{tenant}/oauth2/v2.0/token``."""
        form = await request.post()
        origin = f"{request.scheme}://{request.host}"

        def answer(fault: Fault | None) -> web.Response:
            if fault is not None and fault.kind in ("status", "throttle"):
                error = fault.error()
                kind = {400: "invalid_request", 401: "invalid_client"}.get(error.status, "temporarily_unavailable")
                failed = identity.failure(
                    error.status, kind, 90033, "A transient error has occurred. Please try again."
                )
                failed.headers.update(error.headers)
                return failed
            return identity.grant(self._sim, tenant=request.match_info["tenant"], form=form, origin=origin)

        response = await self._through(request, answer)
        self._sim.journal.record("token", response.status if response else "reset")
        return response or web.Response(status=500)  # after a reset nobody is there to read it

    async def discovery(self, request: web.Request) -> web.StreamResponse:
        """``GET /{tenant}/v2.0/.well-known/openid-configuration``."""
        return identity.discovery(tenant=request.match_info["tenant"], origin=f"{request.scheme}://{request.host}")

    def _throttle(self, units: int, headers: dict[str, str]) -> None:
        knobs = self._sim.knobs
        if knobs.throttling == "off":
            return
        wait, share = self._sim.bucket.spend(units, self._sim.clock.now(), knobs.throttling)
        if share > 0.8:
            headers["x-ms-throttle-limit-percentage"] = f"{min(share, 1.8):.2f}"
        if wait is not None:
            tenant = self._sim.directory.tenant
            extra = {
                "Retry-After": f"{wait:.3f}",
                "x-ms-throttle-scope": f"Tenant_Application/ReadWrite/{tenant.client_id}/{tenant.id}",
                "x-ms-throttle-information": "ResourceUnitLimitExceeded",
            }
            raise GraphError(429, "TooManyRequests", "Please retry again later.", extra)

    async def _through(
        self, request: web.Request, answer: Callable[[Fault | None], web.Response]
    ) -> web.StreamResponse | None:
        """The answer, late, distorted or not at all, as latency and the fault whose turn it is want it."""
        if self._sim.knobs.latency_ms:
            await asyncio.sleep(self._sim.knobs.latency_ms / 1000)
        fault = self._sim.faults.take(request.path)
        if fault is None:
            return answer(None)
        if fault.kind == "reset":
            _abort(request)
            return None
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "html502":
            return web.Response(status=502, body=HTML, content_type="text/html")
        response = answer(fault)
        return await _truncate(request, response, whole=fault.whole) if fault.kind == "truncate" else response


def _following(call: Call, handle: Answer, page: Page) -> Page:
    call.options.known["$skiptoken"] = str(page.next_link).rpartition("$skiptoken=")[2]
    found = handle(call)
    assert isinstance(found, Page)
    return found


def _envelope(error: GraphError, headers: dict[str, str]) -> web.Response:
    inner = {
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
        "request-id": headers["request-id"],
        "client-request-id": headers["client-request-id"],
    }
    body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    merged = {**headers, **error.headers, "Content-Type": "application/json"}
    return web.Response(status=error.status, body=orjson.dumps(body), headers=merged)


def _abort(request: web.Request) -> None:
    """Reset the connection (RST) before any header."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def _truncate(request: web.Request, response: web.Response, *, whole: bool) -> web.StreamResponse:
    body = response.body if isinstance(response.body, bytes) else b""
    half = body[: len(body) // 2]
    if whole:
        return web.Response(status=response.status, body=half, headers=response.headers)
    cut = web.StreamResponse(status=response.status, headers=response.headers)
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(half)
    if request.transport is not None:
        request.transport.close()
    return cut
