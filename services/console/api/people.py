"""The people of a job: where each stands and why, who holds a license, who waits, who failed."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request, Response

from services.console import audit, job_definitions, read, retries
from services.console.api.access import frame_of
from services.console.api.bodies import Cursor, IdempotencyKey, JobId, Limit, Reason, decode_cursor, encode_cursor
from services.console.api.jobs import AnOperator, Viewer
from services.console.api.problems import Json, ProblemError
from shared.contracts.public import UserStatus

router = APIRouter(prefix="/jobs/{job}", tags=["people"])


@router.get("/users")
async def list_users(
    request: Request,
    job: JobId,
    _: Viewer,
    status: Annotated[UserStatus | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return users of a job by directory object id, all or those with one status."""
    after = decode_cursor(cursor)
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)
        users, more = await read.users(connection, job, with_status=status, after=after, limit=limit)
    return Json({"value": users, "nextCursor": encode_cursor(more)})


@router.get("/users/{user}")
async def get_user(
    request: Request, job: JobId, user: Annotated[str, Path(min_length=1, max_length=320)], _: Viewer
) -> Response:
    """Return one user, by directory object id or user principal name, with the timeline of everything said about them."""
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)
        found = await read.user(connection, job, user)
    if found is None:
        raise no_such_user()
    return Json(found)


@router.post("/users/{user}/retry", status_code=202)
async def retry_user(
    request: Request,
    job: JobId,
    user: Annotated[str, Path(min_length=1, max_length=320)],
    operator: AnOperator,
    *,
    key: IdempotencyKey = None,
    reason: Reason = "",
) -> Response:
    """Try a failed user again at once, by directory object id or user principal name, also when its attempts have expired."""
    async with frame_of(request).transaction() as tx:
        await job_definitions.load_job(tx.connection, job)
        found = await read.user(tx.connection, job, user)
        if found is None:
            raise no_such_user()
        asked = audit.Request(operator=operator, reason=reason)
        await retries.retry(tx, asked, job, found["id"], key or str(uuid4()))
    return Json({"id": found["id"], "status": found["status"]}, status_code=202)


@router.get("/licenses")
async def get_licenses(request: Request, job: JobId, _: Viewer, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Return the license pool of a job: numbers, the head of the waiting line, and who holds or waits for a license."""
    after = decode_cursor(cursor)
    async with frame_of(request).connection() as connection:
        stored = await job_definitions.load_job(connection, job)
        shown, more = await read.licenses(connection, stored, after=after, limit=limit)
    return Json(shown | {"nextCursor": encode_cursor(more)})


@router.get("/failures")
async def list_failures(request: Request, job: JobId, _: Viewer) -> Response:
    """Return the failures of a job, grouped by cause, with advice."""
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)
        return Json({"value": await read.failures(connection, job)})


def no_such_user() -> ProblemError:
    """Return the problem of a user who is not known in a job."""
    return ProblemError(
        404,
        "No such user",
        "The job knows no user with this directory object id or user principal name. Check the spelling, or wait for the next cycle.",
    )
