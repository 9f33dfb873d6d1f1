"""The pages and their addresses: overview, one job with its source and its holds, one user, sign-in."""

import re
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import jinja2
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from services.console import holds, job_definitions, read
from services.console.api.access import frame_of
from services.console.api.bodies import Cursor, HoldId, JobId, Why, decode_cursor, encode_cursor
from services.console.api.people import no_such_user
from services.console.api.problems import ProblemError, field_errors, invalid
from services.console.api.source import ask
from services.console.holds import Decision, Wish
from services.console.pages import sign_in as signing
from services.console.pages.attention import attention
from services.console.pages.sign_in import PageAccess
from services.console.source_view import lasted
from services.console.tokens import Operator, Role
from shared.contracts.public import UserStatus

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Viewer = Annotated[Operator, Depends(PageAccess(Role.VIEWER))]
AnOperator = Annotated[Operator, Depends(PageAccess(Role.OPERATOR))]
ROWS = 100
HOLDS = 20
_KEY = re.compile(r"^[A-Za-z0-9-]{1,100}$")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("services.console.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["time"] = lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
    environment.filters["lasted"] = lasted
    environment.filters["number"] = lambda number: f"{number:,}"
    environment.filters["address"] = lambda text: quote(text, safe="")
    return environment


_TEMPLATES = _environment()
_STYLE = files("services.console.pages").joinpath("console.css").read_text("utf-8")


@router.get("/")
async def overview(request: Request, viewer: Viewer) -> Response:
    """Show every job, and what needs attention."""
    async with frame_of(request).connection() as connection:
        rows = []
        for stored in await job_definitions.list_jobs(connection):
            licenses, _ = await read.licenses(connection, stored, after="", limit=1)
            row = {
                "job": read.show_job(stored),
                "status": await read.status(connection, stored),
                "licenses": licenses,
                "failures": await read.failures(connection, stored.job_id),
                "holds": await holds.open_holds(connection, stored.job_id),
            }
            rows.append(row | {"attention": attention(row)})
    return _page(request, "overview.html", viewer=viewer, rows=rows)


@router.get("/jobs/{job}")
async def show_job(
    request: Request,
    job: JobId,
    viewer: Viewer,
    status: Annotated[UserStatus | None, Query()] = None,
    cursor: Cursor = None,
) -> Response:
    """Show one job: how far its source was read, held removals, and its users, all or those with one status."""
    after = decode_cursor(cursor)
    async with frame_of(request).connection() as connection:
        stored = await job_definitions.load_job(connection, job)
        shown = read.show_job(stored) | {"status": await read.status(connection, stored)}
        source = await read.source(connection, stored)
        held, older = await holds.list_holds(connection, job, after=None, limit=HOLDS)
        users, more = await read.users(connection, job, with_status=status, after=after, limit=ROWS)
    return _page(
        request,
        "job.html",
        viewer=viewer,
        job=shown,
        source=source,
        holds=[hold | {"key": str(uuid4())} for hold in held],
        older_holds=older is not None,
        may_decide=viewer.role.includes(Role.OPERATOR),
        users=users,
        more=encode_cursor(more),
        chosen=status,
        statuses=list(UserStatus),
    )


@router.post("/jobs/{job}/holds/{hold}/{decision}")
async def decide_hold(request: Request, job: JobId, hold: HoldId, decision: Decision, operator: AnOperator) -> Response:
    """Approve or reject held removals, and go back to the job's page. The form carries an idempotency key: sent twice, it counts once."""
    signing.same_origin(request)
    form = await signing.form_of(request)
    why = _why(form.get("reason", ""))
    key = form.get("key", "")
    if not _KEY.match(key):
        key = str(uuid4())
    wish = Wish(job_id=job, hold_id=hold, decision=decision, idempotency_key=key)
    await ask(request, operator, wish, why.reason)
    return RedirectResponse(f"/jobs/{job}#holds", status_code=303)


def _why(reason: str) -> Why:
    try:
        return Why(reason=reason)
    except ValidationError as error:
        raise invalid(field_errors(error.errors(include_url=False, include_input=False))) from None


@router.get("/jobs/{job}/users/{user}")
async def show_user(
    request: Request, job: JobId, user: Annotated[str, Path(min_length=1, max_length=320)], viewer: Viewer
) -> Response:
    """Show one user: where they stand, why, and everything that was said about them."""
    async with frame_of(request).connection() as connection:
        stored = await job_definitions.load_job(connection, job)
        found = await read.user(connection, job, user)
    if found is None:
        raise no_such_user()
    return _page(request, "user.html", viewer=viewer, job=read.show_job(stored), user=found)


@router.get("/sign-in")
async def sign_in_form(request: Request) -> Response:
    """Show the sign-in form."""
    return _page(request, "sign_in.html", viewer=None, refused=False)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with a token, and go to the overview."""
    response: Response = RedirectResponse("/", status_code=303)
    if not await signing.sign_in(request, response):
        response = _page(request, "sign_in.html", viewer=None, refused=True)
        response.status_code = 401
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Sign out, and go to the sign-in form."""
    response = RedirectResponse("/sign-in", status_code=303)
    await signing.sign_out(request, response)
    return response


@router.get("/static/console.css")
async def style(_: Request) -> Response:
    """Return the style sheet."""
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "public, max-age=300"})


def error_page(request: Request, problem: ProblemError) -> Response:
    """Return an error as a page: what happened and what to do."""
    response = _page(request, "error.html", viewer=None, problem=problem)
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def _page(request: Request, name: str, **values: Any) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(name).render(path=request.url.path, **values))
