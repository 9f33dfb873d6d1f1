"""The front of ``/v1.0`` and of the token endpoint: routing, headers, latency, and the faults of a connection."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from simulators.graph import batch, identity
from simulators.graph.exchange import Incoming
from simulators.graph.faults import HTML, Fault
from simulators.graph.responding import Responder

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

BATCH = "/v1.0/$batch"


class Gate:
    """Answers requests for one simulation."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._responder = Responder(sim)

    async def graph(self, request: web.Request) -> web.StreamResponse:
        """Any request to ``/v1.0``."""
        incoming = Incoming(
            method=request.method,
            path=request.path,
            query=tuple(request.query.items()),
            origin=f"{request.scheme}://{request.host}",
            headers=request.headers,
            body=await request.read() if request.can_read_body else b"",
        )
        batched = request.path == BATCH and request.method == "POST"
        kind = "$batch" if batched else self._responder.kind(incoming)
        units = 1

        async def answer(fault: Fault | None) -> web.Response:
            nonlocal units
            respond = batch.run if batched else Responder.respond
            reply = await respond(self._responder, incoming, fault)
            units = reply.units
            return web.Response(status=reply.status, body=reply.body or None, headers=reply.headers)

        self._sim.journal.arrive()
        response = await self._through(request, answer)
        self._sim.journal.record(kind, response.status if response else "reset", units)
        return response or web.Response(status=500)  # after a reset nobody is there to read it

    async def token(self, request: web.Request) -> web.StreamResponse:
        """``POST /{tenant}/oauth2/v2.0/token``."""
        form = await request.post()
        origin = f"{request.scheme}://{request.host}"

        async def answer(fault: Fault | None) -> web.Response:
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
        return identity.discovery(
            self._sim, tenant=request.match_info["tenant"], origin=f"{request.scheme}://{request.host}"
        )

    async def _through(
        self, request: web.Request, answer: Callable[[Fault | None], Awaitable[web.Response]]
    ) -> web.StreamResponse | None:
        """The answer, late, distorted or not at all, as latency and the fault whose turn it is want it."""
        if self._sim.knobs.latency_ms:
            await asyncio.sleep(self._sim.knobs.latency_ms / 1000)
        fault = self._sim.faults.take(request.path, method=request.method, query=unquote(request.query_string))
        if fault is None:
            return await answer(None)
        if fault.kind == "reset":
            _abort(request)
            return None
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "html502":
            return web.Response(status=502, body=HTML, content_type="text/html")
        response = await answer(fault)
        if fault.kind in ("truncate", "resetBody"):
            return await _truncate(request, response, fault)
        return response


def _abort(request: web.Request) -> None:
    """Reset the connection (RST) before any header."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def _truncate(request: web.Request, response: web.Response, fault: Fault) -> web.StreamResponse:
    """Half of the body: as if it were all, with the connection closed behind it, or reset."""
    body = response.body if isinstance(response.body, bytes) else b""
    half = body[: len(body) // 2]
    if fault.kind == "truncate" and fault.whole:
        return web.Response(status=response.status, body=half, headers=response.headers)
    cut = web.StreamResponse(status=response.status, headers=response.headers)
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(half)
    if fault.kind == "resetBody":
        _abort(request)
    elif request.transport is not None:
        request.transport.close()
    return cut
