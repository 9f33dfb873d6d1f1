"""The links of a job (object connections): which account at the target belongs to which user; deleted, repaired and compared by asking."""

from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from services.console import audit, job_definitions
from services.console.api.access import frame_of
from services.console.api.bodies import Cursor, IdempotencyKey, JobId, Limit, Reason, Why, decode_cursor, encode_cursor
from services.console.api.jobs import AnOperator, Viewer
from services.console.api.problems import FieldError, Json, ProblemError, invalid
from services.console.links import asking
from services.console.links.asking import LinkNotFoundError, Wish
from services.console.tokens import Operator
from shared.contracts.control import RequestKind
from shared.runtime.database import Connection

router = APIRouter(prefix="/jobs/{job}/objectConnections", tags=["objectConnections"])

ObjectId = Annotated[str, Path(alias="object", min_length=1, max_length=320)]
Anchor = Annotated[str | None, Query(min_length=1, max_length=320)]
NO_SUCH_LINK: Final = ProblemError(
    404,
    "No such link",
    "The job has no link for a user or an account with this id. See GET /api/v1/jobs/JOB/objectConnections.",
)


class Repair(Why):
    """Where a link is to point, and why."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", hide_input_in_errors=True, frozen=True)

    target_anchor: Annotated[str, Field(min_length=1, max_length=320)]

    @field_validator("target_anchor")
    @classmethod
    def _can_be_sent(cls, value: str) -> str:
        if not value.isprintable() or value.strip() != value:
            raise ValueError("must be the id of an account at the target, without spaces around it")
        return value


class Compare(Why):
    """Whose link is to be compared (none: every link of the job), and why."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", hide_input_in_errors=True, frozen=True)

    object_id: Annotated[str | None, Field(min_length=1, max_length=320)] = None


@router.get("")
async def list_links(
    request: Request,
    job: JobId,
    _: Viewer,
    *,
    source_id: Annotated[Anchor, Query(alias="sourceId")] = None,
    target_id: Annotated[Anchor, Query(alias="targetId")] = None,
    differing: bool = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return links by directory object id, all, those of one user or account, or those that a comparison found different."""
    after = decode_cursor(cursor)
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)
        value, more = await asking.list_links(
            connection,
            job,
            after=after,
            source_id=_text(source_id),
            target_id=_text(target_id),
            differing=differing,
            limit=limit,
        )
        counts = await asking.count_findings(connection, job)
    return Json({"value": value, "comparisons": counts, "nextCursor": encode_cursor(more)})


@router.get("/{object}")
async def get_link(request: Request, job: JobId, name: ObjectId, _: Viewer) -> Response:
    """Return one link, by the directory object id of its user or the id of its account."""
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)
        return Json(await _find(connection, job, name))


@router.delete("/{object}", status_code=202)
async def delete_link(
    request: Request,
    job: JobId,
    name: ObjectId,
    operator: AnOperator,
    *,
    why: Why | None = None,
    key: IdempotencyKey = None,
    reason: Reason = "",
) -> Response:
    """Delete a link; the account at the target is left as it is, and a user who is in scope is matched anew. A reason is required."""
    return await _change(
        request,
        operator,
        job,
        name,
        kind=RequestKind.DELETE_LINK,
        key=key,
        reason=why.reason if why else reason,
    )


@router.patch("/{object}", status_code=202)
async def repair_link(
    request: Request, job: JobId, name: ObjectId, operator: AnOperator, *, repair: Repair, key: IdempotencyKey = None
) -> Response:
    """Point a link at another account, which is read before anything is written to it. A reason is required."""
    return await _change(
        request,
        operator,
        job,
        name,
        kind=RequestKind.REPAIR_LINK,
        key=key,
        reason=repair.reason,
        target_id=repair.target_anchor,
    )


@router.post("/compare", status_code=202)
async def compare_links(
    request: Request, job: JobId, operator: AnOperator, compare: Compare | None = None, key: IdempotencyKey = None
) -> Response:
    """Compare one link, or all of them, with the target; differences are corrected or reported as ``settings.driftCheck`` says."""
    asked = compare or Compare()
    async with frame_of(request).transaction() as tx:
        object_id = await _object_id(tx.connection, job, asked.object_id, key) if asked.object_id else None
        wish = Wish(
            job_id=job, kind=RequestKind.COMPARE_LINKS, idempotency_key=key or str(uuid4()), object_id=object_id
        )
        await asking.ask(tx, audit.Request(operator=operator, reason=asked.reason), wish)
    return Json({"objectId": object_id, "requested": "compare"}, status_code=202)


async def _change(
    request: Request,
    operator: Operator,
    job: str,
    name: str,
    *,
    kind: RequestKind,
    key: str | None,
    reason: str,
    target_id: str | None = None,
) -> Response:
    reason = reason.strip()
    if not reason:
        raise invalid([FieldError(field="reason", message="is required: say why the link is wrong")])
    async with frame_of(request).transaction() as tx:
        await job_definitions.load_job(tx.connection, job)
        object_id = await _object_id(tx.connection, job, name, key)
        if target_id is not None:
            taken, _ = await asking.list_links(tx.connection, job, target_id=target_id, limit=1)
            if taken and taken[0]["objectId"] != object_id:
                raise ProblemError(
                    409,
                    "The account is linked already",
                    f"The account is linked to the user {taken[0]['objectId']}. Delete or repair that link first.",
                )
        wish = Wish(
            job_id=job,
            kind=kind,
            idempotency_key=key or str(uuid4()),
            object_id=object_id,
            target_id=target_id,
        )
        await asking.ask(tx, audit.Request(operator=operator, reason=reason), wish)
        shown = await _find(tx.connection, job, object_id, gone=True)
    return Json(shown, status_code=202)


async def _object_id(connection: Connection, job: str, name: str, key: str | None) -> str:
    """Return the object id of a link by either end; that of the first request where its repeat finds the link deleted or moved."""
    asked_for = await asking.asked_for(connection, job, key)
    try:
        return str((await _find(connection, job, name, gone=asked_for is not None))["objectId"])
    except ProblemError:
        if asked_for is None:
            raise
        return asked_for


async def _find(connection: Connection, job: str, name: str, *, gone: bool = False) -> dict[str, Any]:
    if "\x00" in name:
        raise NO_SUCH_LINK
    try:
        return await asking.find_link(connection, job, name, gone=gone)
    except LinkNotFoundError:
        raise NO_SUCH_LINK from None


def _text(value: str | None) -> str | None:
    """Return a filter that PostgreSQL can take."""
    return value.replace("\x00", "\ufffd") if value is not None else None
