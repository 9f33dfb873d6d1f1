"""Previews: what a change of schema, filter, template or settings would do, before it is saved."""

import asyncio
from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.console import audit, job_definitions, job_schemas, previews
from services.console.api import shapes
from services.console.api.access import frame_of
from services.console.api.bodies import (
    Cursor,
    IdempotencyKey,
    JobId,
    Limit,
    Patch,
    PreviewId,
    Reason,
    decode_position,
    encode_cursor,
)
from services.console.api.changing import changed_definition
from services.console.api.jobs import AnOperator, Viewer
from services.console.api.problems import Json
from services.console.job_definitions import StoredJob
from services.console.preview_view import Change, show_preview
from shared.contracts.message import ObjectType
from shared.contracts.preview import PlannedAction
from shared.runtime.frame import Frame
from shared.runtime.transaction import Transaction

router = APIRouter(prefix="/jobs/{job}", tags=["previews"])


class ToPreview(BaseModel):
    """What would be changed: the schema (null for the default of the template), and the job by a merge patch (RFC 7396)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    job: Patch = Field(default_factory=dict)


@router.post("/preview", status_code=202, response_model=shapes.Preview, responses=shapes.NOT_PREVIEWED)
async def ask_for_preview(
    request: Request,
    job: JobId,
    operator: AnOperator,
    *,
    body: ToPreview | None = None,
    key: IdempotencyKey = None,
    reason: Reason = "",
) -> Response:
    """Make a plan of what a change would do, from the stored state alone: neither source nor target is asked, and nobody is changed.

    What is not named stays as it is; without a body the plan is about the job as it is. A newer preview of the job takes the place of one
    that is being made. The same Idempotency-Key again returns what it made.
    """
    frame = frame_of(request)
    asked = body or ToPreview()
    async with frame.transaction() as tx:
        stored = await job_definitions.lock_job(tx, job)
        wanted = await _wanted(tx, frame, stored, asked)
        who = audit.Request(operator=operator, reason=reason)
        preview = await previews.ask(tx, who, stored, wanted, key or str(uuid4()))
    place = f"/api/v1/jobs/{job}/previews/{preview.preview_id}"
    return Json(show_preview(preview, previews.patience_of(frame)), status_code=202, headers={"Location": place})


async def _wanted(tx: Transaction, frame: Frame, stored: StoredJob, asked: ToPreview) -> previews.Wanted:
    changes = set()
    definition = stored.definition
    if asked.job:
        definition = changed_definition(frame, stored, asked.job)
        changes.add(Change.JOB)
    if "schema_" in asked.model_fields_set:
        changes.add(Change.SCHEMA)
        document = asked.schema_
        accepted = (
            await asyncio.to_thread(job_schemas.accept, document, definition.template) if document is not None else None
        )
        text = accepted.document if accepted is not None else None
    else:
        text = (await job_schemas.newest(tx.connection, stored.job_id)).document
        if text is not None and definition.template != stored.definition.template:
            await asyncio.to_thread(job_schemas.accept, orjson.loads(text), definition.template)
    return previews.Wanted(definition=definition, document=text, changes=frozenset(changes))


@router.get("/previews", response_model=shapes.Previews, responses=shapes.NO_PREVIEW)
async def list_previews(request: Request, job: JobId, _: Viewer, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Return the previews of the last day, the newest first."""
    frame = frame_of(request)
    before = decode_position(cursor, "cursor")
    async with frame.connection() as connection:
        await job_definitions.load_job(connection, job)
        found, more = await previews.list_previews(connection, job, before=before, limit=limit)
    value = [show_preview(preview, previews.patience_of(frame)) for preview in found]
    return Json({"value": value, "nextCursor": encode_cursor(more)})


@router.get("/previews/{preview}", response_model=shapes.Preview, responses=shapes.NO_PREVIEW)
async def get_preview(request: Request, job: JobId, preview: PreviewId, _: Viewer) -> Response:
    """Return where a preview stands and, when its state is ``done``, its plan in numbers."""
    frame = frame_of(request)
    async with frame.connection() as connection:
        await job_definitions.load_job(connection, job)
        found = await previews.find(connection, job, preview)
    return Json(show_preview(found, previews.patience_of(frame)))


@router.get("/previews/{preview}/rows", response_model=shapes.PreviewRows, responses=shapes.NO_PREVIEW)
async def list_rows(
    request: Request,
    job: JobId,
    preview: PreviewId,
    _: Viewer,
    *,
    action: Annotated[PlannedAction | None, Query()] = None,
    object_type: Annotated[ObjectType | None, Query(alias="objectType")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return rows of a plan: at most 1,000 of each action for users, and as many for groups; the plan's numbers are of all."""
    after = decode_position(cursor, "cursor")
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)
        found = await previews.find(connection, job, preview)
        rows, more = await previews.list_rows(
            connection,
            found,
            after=-1 if after is None else after,
            limit=limit,
            action=action,
            object_type=object_type,
        )
    return Json({"value": rows, "nextCursor": encode_cursor(more)})
