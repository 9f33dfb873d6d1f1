"""``/_sim`` for subscriptions: what there is, what was delivered, and lifecycle events on demand."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulators.graph.control import answer, answering
from simulators.graph.refusal import RefusedError
from simulators.graph.subscriptions import living

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation


class NotificationControl:
    """The handlers of ``/_sim/subscriptions`` and ``/_sim/notifications``."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim

    def routes(self) -> list[web.RouteDef]:
        """What the application has to route."""
        return [
            web.get("/_sim/subscriptions", self._subscriptions),
            web.delete("/_sim/subscriptions", self._remove),
            web.get("/_sim/notifications", self._counts),
            web.post("/_sim/notifications/lifecycle", answering(self._lifecycle)),
        ]

    async def _subscriptions(self, _: web.Request) -> web.Response:
        found = [one.as_json() | {"clientState": one.client_state} for one in living(self._sim).values()]
        return answer({"subscriptions": found})

    async def _remove(self, _: web.Request) -> web.Response:
        """Forget every subscription without telling anybody."""
        self._sim.subscriptions.clear()
        return web.Response(status=204)

    async def _counts(self, _: web.Request) -> web.Response:
        return answer(self._sim.notifier.as_json())

    def _lifecycle(self, body: dict[str, Any]) -> Any:
        if stray := set(body) - {"event", "subscriptionId"}:
            raise RefusedError(min(stray), "no such field")
        event, only = body.get("event"), body.get("subscriptionId")
        if not isinstance(event, str) or not event:
            raise RefusedError("event", "must be a text, such as reauthorizationRequired")
        return {"subscriptions": self._sim.notifier.lifecycle(event, only)}
