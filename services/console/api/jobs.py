"""Jobs: create, read, change, delete, start and pause."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Body, Depends, Request, Response

from services.console import audit, job_definitions, job_schemas, previews, read
from services.console.api.access import Access, frame_of
from services.console.api.bodies import ByPreview, IdempotencyKey, JobId, Patch, Reason, Restart
from services.console.api.changing import changed_definition, refuse_addresses
from services.console.api.problems import FieldError, Json, invalid
from services.console.job_definitions import StoredJob
from services.console.preview_view import Change
from services.console.tokens import Operator, Role
from shared.contracts.control import ScheduleState
from shared.contracts.ids import job_id_for
from shared.contracts.job import JobDefinition
from shared.contracts.restart import parse_reset_scope
from shared.contracts.templates import TEMPLATES

router = APIRouter(prefix="/jobs", tags=["jobs"])

Viewer = Annotated[Operator, Depends(Access(Role.VIEWER))]
AnOperator = Annotated[Operator, Depends(Access(Role.OPERATOR))]
Admin = Annotated[Operator, Depends(Access(Role.ADMIN))]


@router.get("")
async def list_jobs(request: Request, _: Viewer) -> Response:
    """Return every job with its status."""
    async with frame_of(request).connection() as connection:
        return Json({"value": await read.jobs(connection)})


@router.post("", status_code=201)
async def create_job(
    request: Request, definition: JobDefinition, operator: Admin, key: IdempotencyKey = None, reason: Reason = ""
) -> Response:
    """Create a job, which does not run before it is started. The same Idempotency-Key and body again return the same job."""
    frame = frame_of(request)
    refuse_addresses(frame, definition)
    job_id = job_id_for(key or str(uuid4()))
    async with frame.transaction() as tx:
        job, created = await job_definitions.create_job(
            tx, audit.Request(operator=operator, reason=reason), job_id, definition
        )
    return Json(
        read.show_job(job), status_code=201 if created else 200, headers={"Location": f"/api/v1/jobs/{job.job_id}"}
    )


@router.get("/{job}")
async def get_job(request: Request, job: JobId, _: Viewer) -> Response:
    """Return one job with its status."""
    async with frame_of(request).connection() as connection:
        return Json(await read.job(connection, job))


@router.patch("/{job}")
async def change_job(
    request: Request,
    job: JobId,
    patch: Annotated[Patch, Body(media_type="application/merge-patch+json")],
    operator: Admin,
    *,
    reason: Reason = "",
    by_preview: ByPreview = None,
) -> Response:
    """Change a job's definition by a JSON merge patch (RFC 7396); null brings a default back. With ``preview``, the id of one whose plan
    was looked at, anything else than what was previewed is refused.

    A patch that names another kind of source replaces the source: what the old kind had means nothing to the new one.
    """
    frame = frame_of(request)

    shown: previews.Shown | None = None

    def decide(known: StoredJob) -> StoredJob:
        definition = changed_definition(frame, known, patch)
        if shown is not None and definition != known.definition:
            shown.check(Change.JOB, previews.job_digest(definition), job_version=known.version)
        return replace(known, definition=definition)

    async with frame.transaction() as tx:
        shown = await previews.shown(tx, frame, job, by_preview)
        if isinstance(template := patch.get("template"), str) and template in TEMPLATES:
            await job_schemas.check_template(tx, job, template)
        changed = await job_definitions.change_job(
            tx,
            audit.Request(operator=operator, reason=reason),
            job,
            "jobs.change",
            decide,
            details={"fields": sorted(_paths(patch))} | ({"previewId": by_preview} if by_preview else {}),
        )
    return Json(read.show_job(changed))


@router.delete("/{job}", status_code=204)
async def delete_job(request: Request, job: JobId, operator: Admin, reason: Reason = "") -> Response:
    """Delete a job. Nothing is changed at the target."""
    async with frame_of(request).transaction() as tx:
        await job_definitions.delete_job(tx, audit.Request(operator=operator, reason=reason), job)
    return Response(status_code=204)


@router.post("/{job}/start")
async def start_job(request: Request, job: JobId, operator: AnOperator, reason: Reason = "") -> Response:
    """Start the job's cycles; 409 when a credential is missing. Starting a job that runs changes nothing."""
    return await _schedule(request, job, operator, reason, ScheduleState.ACTIVE)


@router.post("/{job}/pause")
async def pause_job(request: Request, job: JobId, operator: AnOperator, reason: Reason = "") -> Response:
    """Pause the job's cycles. Pausing a paused job changes nothing."""
    return await _schedule(request, job, operator, reason, ScheduleState.PAUSED)


@router.post("/{job}/restart")
async def restart_job(
    request: Request, job: JobId, operator: AnOperator, asked: Restart | None = None, reason: Reason = ""
) -> Response:
    """Restart: ``criteria.resetScope`` says what is forgotten (``Full``, or some of ``Watermark``, ``Escrows``, ``QuarantineState``,
    ``ConnectorDataStore``, ``ForceDeletes``). Without one: watermark, escrows and quarantine; links and licenses are kept.
    """
    try:
        scopes = parse_reset_scope(asked.criteria.reset_scope if asked else "")
    except ValueError as problem:
        raise invalid([FieldError(field="criteria.resetScope", message=str(problem))]) from None
    async with frame_of(request).transaction() as tx:
        changed = await job_definitions.restart(tx, audit.Request(operator=operator, reason=reason), job, scopes)
    return Json(read.show_job(changed))


async def _schedule(request: Request, job: str, operator: Operator, reason: str, state: ScheduleState) -> Response:
    async with frame_of(request).transaction() as tx:
        changed = await job_definitions.set_schedule(tx, audit.Request(operator=operator, reason=reason), job, state)
    return Json(read.show_job(changed))


def _paths(patch: Any, prefix: str = "") -> list[str]:
    """Return the paths that a merge patch names, for the audit log; what it sets them to stays out."""
    if not isinstance(patch, Mapping) or not patch:
        return [prefix] if prefix else []
    return [path for name, value in patch.items() for path in _paths(value, f"{prefix}.{name}" if prefix else name)]
