"""The web application: API, pages and probes over one frame, with one answer for every error."""

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp

from services.console.api import audit_logs, credentials, jobs, links, on_demand, people, probes, schema, source
from services.console.api.access import undeclared_routes
from services.console.api.errors import EXPLAINED_ERRORS, as_problem
from services.console.api.problems import Json, problem_response
from services.console.edge import Edge
from services.console.pages import routes as pages
from services.console.pages.sign_in import SignInNeededError
from shared.runtime.frame import Frame

API = "/api/v1"


def build_api(frame: Frame) -> FastAPI:
    """Return the application. Raises ``AssertionError`` when a route does not say who may call it."""
    app = FastAPI(
        title="Seatkeeper",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its spans would hold paths, and a path can hold a user principal name.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.frame = frame
    router = APIRouter(prefix=API)
    router.include_router(jobs.router)
    router.include_router(credentials.router)
    router.include_router(source.router)
    router.include_router(schema.router)
    router.include_router(people.router)
    router.include_router(links.router)
    router.include_router(on_demand.router)
    router.include_router(audit_logs.router)

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi(_: Request) -> Response:
        return Json(app.openapi())

    app.include_router(router)
    app.include_router(pages.router)
    app.include_router(probes.router)
    _answer_errors(app)
    undeclared = undeclared_routes(app)
    assert not undeclared, f"these routes declare no least role: {', '.join(undeclared)}"
    return app


def build_web(frame: Frame) -> ASGIApp:
    """Return the application behind its edge, ready to be served."""
    return Edge(build_api(frame))


def _answer_errors(app: FastAPI) -> None:
    async def sign_in(_: Request, __: Exception) -> Response:
        return RedirectResponse("/sign-in", status_code=303)

    async def answer(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        if request.url.path.startswith(API):
            return problem_response(problem)
        return pages.error_page(request, problem)

    app.add_exception_handler(SignInNeededError, sign_in)
    for kind in EXPLAINED_ERRORS:
        app.add_exception_handler(kind, answer)
