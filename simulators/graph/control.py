"""The control plane under ``/_sim``: for tests and demonstrations only, unknown to what is under test."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from simulators.graph.entities import DEFAULT_ACCESS_ROLE_ID, Group
from simulators.graph.mutations import transact
from simulators.graph.refusal import RefusedError
from simulators.graph.seed import SeedPlan
from simulators.graph.statetokens import EXPIRY_SHAPES, PAGE_SHAPES
from simulators.graph.truth import truth

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation


class Control:
    """The handlers of ``/_sim``. Every refusal is 400 with ``{"error": {"field", "message"}}``."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim

    def routes(self) -> list[web.RouteDef]:
        """What the application has to route."""
        return [
            web.get("/_sim/config", self._config),
            web.post("/_sim/seed", answering(self._seed)),
            web.post("/_sim/tx", answering(self._tx)),
            web.get("/_sim/truth", self._truth),
            web.get("/_sim/users", self._users),
            web.get("/_sim/groups", self._groups),
            web.get("/_sim/journal", self._journal),
            web.delete("/_sim/journal", self._forget),
            web.post("/_sim/faults", answering(self._arm)),
            web.get("/_sim/faults", self._armed),
            web.delete("/_sim/faults", self._disarm),
            web.get("/_sim/faults/{id}", self._armed),
            web.delete("/_sim/faults/{id}", self._disarm),
            web.post("/_sim/tokens/expire", answering(self._expire)),
            web.get("/_sim/knobs", self._knobs),
            web.post("/_sim/knobs", answering(self._turn)),
        ]

    async def _config(self, _: web.Request) -> web.Response:
        tenant = self._sim.directory.tenant
        return answer(
            {
                "tenantId": tenant.id,
                "clientId": tenant.client_id,
                "clientSecret": tenant.client_secret,
                "servicePrincipalId": tenant.service_principal_id,
                "appId": tenant.app_id,
                "userRoleId": tenant.roles[0].id,
                "defaultAccessRoleId": DEFAULT_ACCESS_ROLE_ID,
                "seed": self._sim.seed,
            }
        )

    def _seed(self, body: dict[str, Any]) -> Any:
        self._sim.reseed(SeedPlan.read(body, seed=self._sim.seed))
        return {"users": list(self._sim.directory.users), "groups": self._group_list()}

    def _tx(self, body: dict[str, Any]) -> Any:
        if stray := set(body) - {"mutations"}:
            raise RefusedError(min(stray), "no such field")
        return transact(self._sim, body.get("mutations"))

    async def _truth(self, request: web.Request) -> web.Response:
        tenant = self._sim.directory.tenant
        if request.query.get("sp", tenant.app_id).casefold() not in (tenant.app_id, tenant.service_principal_id):
            return refusal("sp", "there is no such service principal")
        nested = request.query.get("nested", "false") == "true"
        try:
            told = truth(self._sim, request.query.get("role", "User"), nested=nested)
        except KeyError:
            return refusal("role", "the application declares no such role")
        return web.Response(body=told, content_type="application/json")

    async def _users(self, request: web.Request) -> web.Response:
        try:
            limit, offset = int(request.query.get("limit", "100")), int(request.query.get("offset", "0"))
        except ValueError:
            return refusal("limit", "limit and offset must be whole numbers")
        order = self._sim.directory.user_order
        found = order[max(0, offset) : max(0, offset) + max(0, limit)]
        users = [{"id": u.id, "state": u.state, "properties": u.properties, "groups": u.groups} for u in found]
        return answer({"total": len(order), "users": users})

    async def _groups(self, _: web.Request) -> web.Response:
        return answer({"groups": self._group_list()})

    def _group_list(self) -> list[dict[str, Any]]:
        def entry(group: Group) -> dict[str, Any]:
            nested = [member for member in group.members if member in self._sim.directory.groups]
            name = group.properties["displayName"]
            members = sum(member in self._sim.directory.users for member in group.members)
            secure = group.properties.get("securityEnabled")
            told = {"id": group.id, "displayName": name, "state": group.state, "members": members, "nested": nested}
            return told | {"securityEnabled": secure}

        return [entry(group) for group in self._sim.directory.group_order]

    async def _journal(self, request: web.Request) -> web.Response:
        return answer(self._sim.journal.as_json(entries=request.query.get("entries") == "true"))

    async def _forget(self, _: web.Request) -> web.Response:
        self._sim.journal.reset()
        return web.Response(status=204)

    def _arm(self, body: dict[str, Any]) -> Any:
        return {"id": self._sim.faults.arm(body).id}

    async def _armed(self, request: web.Request) -> web.Response:
        armed = self._sim.faults.armed
        if "id" not in request.match_info:
            return answer({"faults": [fault.as_json() for fault in armed.values()]})
        found = armed.get(request.match_info["id"])
        return answer(found.as_json()) if found else refusal("id", "there is no such fault", 404)

    async def _disarm(self, request: web.Request) -> web.Response:
        if "id" not in request.match_info:
            self._sim.faults.armed.clear()
        elif self._sim.faults.armed.pop(request.match_info["id"], None) is None:
            return refusal("id", "there is no such fault", 404)
        return web.Response(status=204)

    def _expire(self, body: dict[str, Any]) -> Any:
        kind = body.get("kind")
        if kind == "access":
            self._sim.access.expire()
            return {}
        if kind == "generation":
            self._sim.tokens.move()
            return {}
        shapes = {"delta": EXPIRY_SHAPES, "page": PAGE_SHAPES}.get(str(kind))
        if shapes is None:
            raise RefusedError("kind", 'must be "access", "delta", "page" or "generation"')
        shape = body.get("shape", shapes[0])
        if shape not in shapes:
            raise RefusedError("shape", f"must be one of {', '.join(shapes)}")
        self._sim.tokens.expire("delta" if kind == "delta" else "skip", shape)
        return {}

    async def _knobs(self, _: web.Request) -> web.Response:
        return answer(self._sim.knobs.as_json())

    def _turn(self, body: dict[str, Any]) -> Any:
        self._sim.knobs.turn(body)
        if {"listPaging", "hideSoftDeletedAssignments"} & body.keys():
            self._sim.directory.relist()
        return self._sim.knobs.as_json()


def answering(handle: Callable[[dict[str, Any]], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that reads a JSON object, and turns what the handling refuses into a 400."""

    async def run(request: web.Request) -> web.Response:
        try:
            body = orjson.loads(await request.read() or b"{}")
            if not isinstance(body, dict):
                raise ValueError("the body must be a JSON object")
            return answer(handle(body))
        except RefusedError as refused:
            return refusal(refused.field, refused.message)
        except ValueError as error:
            return refusal(str(error).partition(":")[0], str(error))

    return run


def answer(body: Any) -> web.Response:
    """200 with JSON."""
    return web.Response(body=orjson.dumps(body), content_type="application/json")


def refusal(field: str, message: str, status: int = 400) -> web.Response:
    """A refusal that names the field."""
    body = {"error": {"field": field, "message": message}}
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
