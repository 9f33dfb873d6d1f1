"""An endpoint for change notifications, as a subscriber would run one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass(slots=True)
class Listener:
    """Answers handshakes with what ``shake`` makes of the token, and posts with ``status``; keeps what it was told."""

    url: str = ""
    token: str | None = None
    shake_status: int = 200
    shake_delay: float = 0.0
    status: int = 202
    handshakes: list[str] = field(default_factory=list)
    posts: list[list[dict[str, Any]]] = field(default_factory=list)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [note for post in self.posts for note in post]

    async def handle(self, request: web.Request) -> web.Response:
        if "validationToken" in request.query:
            self.handshakes.append(request.path)
            if self.shake_delay:
                await asyncio.sleep(self.shake_delay)
            text = request.query["validationToken"] if self.token is None else self.token
            return web.Response(status=self.shake_status, text=text)
        self.posts.append(orjson.loads(await request.read())["value"])
        return web.Response(status=self.status)


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    app = web.Application()
    app.router.add_post("/{name}", listener.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield listener
    finally:
        await runner.cleanup()
