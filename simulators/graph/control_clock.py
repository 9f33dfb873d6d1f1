"""``/_sim/clock``: the time of the simulated tenant."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulators.graph.control import answer, answering
from simulators.graph.refusal import RefusedError

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation


class ClockControl:
    """The handlers of ``/_sim/clock``."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim

    def routes(self) -> list[web.RouteDef]:
        """What the application has to route."""
        return [
            web.get("/_sim/clock", self._show),
            web.post("/_sim/clock", answering(self._set)),
            web.delete("/_sim/clock", self._reset),
            web.post("/_sim/clock/advance", answering(self._advance)),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        return answer(self._now())

    def _now(self) -> dict[str, Any]:
        clock = self._sim.clock
        return {"now": clock.now(), "frozen": clock.frozen_at is not None}

    def _set(self, body: dict[str, Any]) -> Any:
        if set(body) != {"frozen"} or not isinstance(body["frozen"], bool):
            raise RefusedError("frozen", "must be true or false, and the only field")
        self._sim.clock.freeze(body["frozen"])
        self._sim.notifier.wake()
        return self._now()

    async def _reset(self, _: web.Request) -> web.Response:
        self._sim.clock.reset()
        self._sim.notifier.wake()
        return web.Response(status=204)

    def _advance(self, body: dict[str, Any]) -> Any:
        seconds = body.get("seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            raise RefusedError("seconds", "must be a number that is not negative")
        self._sim.advance(seconds)
        return self._now()
