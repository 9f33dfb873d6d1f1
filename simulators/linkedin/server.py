"""The HTTP server: one socket for `/scim` and `/_sim`."""

import asyncio
from typing import Any, Self

from aiohttp import web

from simulators.linkedin.control import Control
from simulators.linkedin.errors import ScimError
from simulators.linkedin.scim_endpoint import ScimEndpoint
from simulators.linkedin.settings import Settings

_MAX_BODY_BYTES = 64 * 1024 * 1024


class LinkedInSimulator:
    """A running simulator: `await LinkedInSimulator.start()`, then `url`, `tenant_url`, and `await close()`.

    `scim` is the state behind the socket, for tests in the same process that look at it directly.
    """

    def __init__(self, *, url: str, scim: ScimEndpoint, runner: web.ServerRunner) -> None:
        self.url = url
        self.tenant_url = f"{url}/scim"
        self.scim = scim
        self._runner = runner

    @classmethod
    async def start(cls, *, host: str = "127.0.0.1", port: int = 0, settings: dict[str, Any] | None = None) -> Self:
        """Listen on `host` and `port` (0 takes a free one); `settings` as in `PATCH /_sim/settings`.

        Raises SettingError for a setting that cannot be, OSError when the port is taken.
        """
        switches = Settings()
        switches.change(settings or {})
        front = _Front()
        server = web.Server(front.handle, request_factory=_request, access_log=None, keepalive_timeout=300.0)
        runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, backlog=1024).start()
        except OSError:
            await runner.cleanup()
            raise
        url = f"http://{host}:{runner.addresses[0][1]}"
        scim = ScimEndpoint(f"{url}/scim", switches)
        front.open(scim)
        return cls(url=url, scim=scim, runner=runner)

    async def close(self) -> None:
        """Stop listening and end every connection, requests in flight included."""
        await self._runner.cleanup()


class _Front:
    """Sends a request to the endpoint its path names; without a router, which would cost more than the answer does."""

    def open(self, scim: ScimEndpoint) -> None:
        self._scim = scim
        self._control = Control(scim)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/scim/"):
            return await self._scim.handle(request, path[6:])
        if path.startswith("/_sim/"):
            return await self._control.handle(request, path[6:])
        body = ScimError(404, "There is nothing here; the tenant URL ends in /scim.").body()
        return web.Response(status=404, body=body, headers={"Content-Type": "application/scim+json; charset=utf-8"})


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY_BYTES)
