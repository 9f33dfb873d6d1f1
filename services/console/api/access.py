"""Who may call what: every route declares the least role by ``Access``; one that does not is found when the service starts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from services.console.api.problems import ProblemError
from services.console.tokens import Operator, Role, find_operator
from shared.runtime.frame import Frame

PUBLIC_PATHS = frozenset(
    {"/livez", "/readyz", "/metrics", "/api/v1/openapi.json", "/sign-in", "/sign-out", "/static/console.css"}
)
"""Routes that anyone may call; they show nothing of any job."""
LONGEST_TOKEN = 200


def frame_of(request: Request) -> Frame:
    """Return the frame of the running service."""
    frame: Frame = request.app.state.frame
    return frame


@dataclass(frozen=True, slots=True)
class Access:
    """A dependency that lets an operator in whose bearer token has at least this role; anybody else gets 401 or 403."""

    least: Role

    async def __call__(self, request: Request) -> Operator:
        """Return who asks."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        operator = None
        if scheme.lower() == "bearer" and 0 < len(token) <= LONGEST_TOKEN:
            async with frame_of(request).connection() as connection:
                operator = await find_operator(connection, token.strip())
        if operator is None:
            raise ProblemError(
                401,
                "Not signed in",
                "Send Authorization: Bearer TOKEN with a token that is known and has not expired; make one with: seatkeeper token create",
                headers={"WWW-Authenticate": 'Bearer realm="seatkeeper"'},
            )
        if not operator.role.includes(self.least):
            raise ProblemError(
                403,
                "Not allowed",
                f"This needs the role {self.least}; the token has the role {operator.role}. Use another token.",
            )
        return operator


def undeclared_routes(app: FastAPI) -> list[str]:
    """Return the routes that neither declare a least role nor are public by name: there must be none."""
    return sorted(path for path, _, least in declared_routes(app) if least is None and path not in PUBLIC_PATHS)


def declared_routes(app: FastAPI) -> list[tuple[str, frozenset[str], Role | None]]:
    """Return every route: its path, its methods, and the least role that it declares."""
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        calls = _calls(route.dependant) if isinstance(route, APIRoute) else ()
        least = next((call.least for call in calls if hasattr(call, "least")), None)
        found.append((context.path or repr(route), frozenset(context.methods or ()), least))
    return found


def _calls(dependant: Dependant) -> Iterable[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)
