"""``/_sim`` for the state as a whole: replicas that lag, snapshots and their restoring."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulators.graph.control import answer, answering
from simulators.graph.refusal import RefusedError

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation


class StateControl:
    """The handlers of ``/_sim/replica``, ``/_sim/snapshot`` and ``/_sim/restore``."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim

    def routes(self) -> list[web.RouteDef]:
        """What the application has to route."""
        return [
            web.get("/_sim/replica", self._replica),
            web.post("/_sim/replica", answering(self._lag)),
            web.delete("/_sim/replica", self._catch_up),
            web.post("/_sim/snapshot", answering(self._snapshot)),
            web.post("/_sim/restore", answering(self._restore)),
        ]

    async def _replica(self, _: web.Request) -> web.Response:
        return answer(self._sim.replica.as_json())

    def _lag(self, body: dict[str, Any]) -> Any:
        return self._sim.replica.set(body)

    async def _catch_up(self, _: web.Request) -> web.Response:
        self._sim.replica.reset()
        return web.Response(status=204)

    def _snapshot(self, body: dict[str, Any]) -> Any:
        self._sim.snapshot(_name(body))
        return {"lsn": self._sim.directory.log.lsn}

    def _restore(self, body: dict[str, Any]) -> Any:
        try:
            self._sim.restore(_name(body))
        except KeyError:
            raise RefusedError("name", "there is no such snapshot") from None
        return {"lsn": self._sim.directory.log.lsn}


def _name(body: dict[str, Any]) -> str:
    if stray := set(body) - {"name"}:
        raise RefusedError(min(stray), "no such field")
    name = body.get("name", "default")
    if not isinstance(name, str):
        raise RefusedError("name", "must be a text")
    return name
