"""``/_sim/credentials``: with what the client may prove itself at the token endpoint."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulators.graph.control import answer, answering
from simulators.graph.credentials import Credentials

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation


class CredentialControl:
    """The handlers of ``/_sim/credentials``."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim

    def routes(self) -> list[web.RouteDef]:
        """What the application has to route."""
        return [
            web.get("/_sim/credentials", self._show),
            web.post("/_sim/credentials", answering(self._register)),
            web.delete("/_sim/credentials", self._clear),
        ]

    def _register(self, body: dict[str, Any]) -> Any:
        return self._sim.credentials.register(body)

    async def _show(self, _: web.Request) -> web.Response:
        return answer(self._sim.credentials.as_json())

    async def _clear(self, _: web.Request) -> web.Response:
        """Leave no credential at all, not even the first secret: seed again, or register new ones."""
        self._sim.credentials = Credentials()
        return web.Response(status=204)
