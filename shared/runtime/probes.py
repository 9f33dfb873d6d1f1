"""/livez, /readyz and /metrics of a service without pages of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.runtime.errors import StartRefusedError
from shared.runtime.health import Health


def livez(health: Health) -> tuple[int, dict[str, Any]]:
    """Return status and body: 200 while every loop moves; a dependency that is down changes nothing here."""
    stalled = health.stalled()
    return (503 if stalled else 200), {"live": not stalled, "stalled": stalled}


def readyz(health: Health) -> tuple[int, dict[str, Any]]:
    """Return status and body: 200 when started and waiting for nothing, else 503 with each dependency and why."""
    return (200 if health.ready else 503), {"ready": health.ready, "waiting": health.waiting}


@asynccontextmanager
async def probes(health: Health, host: str, port: int) -> AsyncIterator[None]:
    """Answer the probes while the block runs."""

    async def live(_: web.Request) -> web.Response:
        status, body = livez(health)
        return web.json_response(body, status=status)

    async def ready(_: web.Request) -> web.Response:
        status, body = readyz(health)
        return web.json_response(body, status=status)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", live), web.get("/readyz", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise StartRefusedError(
            f"SEATKEEPER_HTTP_PORT: {host}:{port} cannot be opened ({error.strerror}); choose another port or end what holds it."
        ) from None
    try:
        yield
    finally:
        await runner.cleanup()
