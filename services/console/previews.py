"""Previews of changes: the request goes to diff, which alone knows what would come of it; what it says is kept for a day.

A change can be saved by a preview: then it is the one that was shown, of the job that was looked at, or it is refused.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.console import audit
from services.console.audit import Request
from services.console.job_definitions import KeyReusedError, StoredJob
from services.console.preview_view import Change, Preview, preview_of, refusal, show_row
from services.console.settings import ConsoleSettings
from services.console.store import QUERIES
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.ids import derived_id
from shared.contracts.job import JobDefinition
from shared.contracts.message import ObjectType
from shared.contracts.preview import PlannedAction, PreviewFact, PreviewRows, PreviewWish
from shared.runtime.crashpoints import crash_point
from shared.runtime.database import Connection
from shared.runtime.frame import Frame
from shared.runtime.transaction import Transaction

KEPT: Final = timedelta(days=1)
"""How long a preview is kept: its rows hold values of people, and its plan is too old to save by long before."""


class PreviewNotFoundError(Exception):
    """The job has no such preview, or it was forgotten."""


class PreviewDoesNotFitError(Exception):
    """What is to be saved is not what the preview showed; the message says in which way, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be looked at: the definition and the schema (nothing: the default of the template) that the job would have.

    ``changes``: what of them the operator means to change.
    """

    definition: JobDefinition
    document: str | None
    changes: frozenset[Change]


def schema_digest(document: str | None) -> bytes:
    """Return what stands for a schema that was looked through, or for the default of the template."""
    return hashlib.sha256((document or "").encode()).digest()


def job_digest(definition: JobDefinition) -> bytes:
    """Return what stands for a job definition."""
    return hashlib.sha256(definition.model_dump_json(by_alias=True).encode()).digest()


async def ask(tx: Transaction, request: Request, job: StoredJob, wanted: Wanted, key: str) -> Preview:
    """Ask diff for a plan, and return the preview; audit row and request are in this transaction.

    The same key with the same wish again returns what it made. Raises ``KeyReusedError``.
    """
    schema = schema_digest(wanted.document) if Change.SCHEMA in wanted.changes else None
    definition = job_digest(wanted.definition) if Change.JOB in wanted.changes else None
    known = await tx.connection.fetchrow(QUERIES.find_preview_request, job.job_id, key)
    if known is not None:
        if (known["schema_sha256"], known["job_sha256"], known["reason"]) != (schema, definition, request.reason):
            raise KeyReusedError
        return preview_of(known)
    operator = request.operator
    preview = preview_of(
        await tx.connection.fetchrow(
            QUERIES.insert_preview,
            job.job_id,
            str(derived_id("preview", job.job_id, key)),
            key,
            job.version,
            schema,
            definition,
            operator.name,
            request.reason,
            tx.now,
        )
    )
    await audit.record(
        tx, request, "jobs.preview", job.job_id, {"previewId": preview.preview_id, "changes": sorted(wanted.changes)}
    )
    _emit(tx, request, preview, wanted, key)
    crash_point("console.before_commit")
    return preview


def _emit(tx: Transaction, request: Request, preview: Preview, wanted: Wanted, key: str) -> None:
    wish = PreviewWish(
        job_version=preview.job_version,
        template=wanted.definition.template,
        settings=wanted.definition.settings,
        synchronization_schema=json.loads(wanted.document) if wanted.document is not None else None,
    )
    tx.emit(
        OperatorRequest(
            job_id=preview.job_id,
            object_type=ObjectType.PREVIEW,
            object_id=preview.preview_id,
            sequence=preview.number,
            kind=RequestKind.PREVIEW,
            reason=request.reason,
            idempotency_key=key,
            preview=wish,
            requested_by=request.operator.name,
            at=tx.now,
        ),
        event_id=derived_id("request", preview.job_id, RequestKind.PREVIEW, preview.preview_id),
    )


async def find(connection: Connection, job_id: str, preview_id: str) -> Preview:
    """Return one preview; raises ``PreviewNotFoundError``."""
    row = await connection.fetchrow(QUERIES.load_preview, job_id, preview_id)
    if row is None:
        raise PreviewNotFoundError
    return preview_of(row)


def patience_of(frame: Frame) -> timedelta:
    """Return how old a plan may be when a change is saved by it."""
    assert isinstance(frame.settings, ConsoleSettings)
    return timedelta(minutes=frame.settings.console_preview_minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A preview by which a change is to be saved. Plans older than ``patience`` at ``now`` count no more."""

    preview: Preview
    now: datetime
    patience: timedelta

    def check(self, change: Change, digest: bytes, *, job_version: int) -> None:
        """Raise ``PreviewDoesNotFitError`` unless what is to be saved is what the preview showed."""
        reason = refusal(self.preview, change, digest, job_version=job_version, now=self.now, patience=self.patience)
        if reason is not None:
            raise PreviewDoesNotFitError(reason)


async def shown(tx: Transaction, frame: Frame, job_id: str, preview_id: str | None) -> Shown | None:
    """Return the preview by which a change is to be saved, nothing when none is named. Raises ``PreviewNotFoundError``."""
    if preview_id is None:
        return None
    return Shown(preview=await find(tx.connection, job_id, preview_id), now=tx.now, patience=patience_of(frame))


async def list_previews(
    connection: Connection, job_id: str, *, before: int | None, limit: int
) -> tuple[list[Preview], int | None]:
    """Return the previews of a job, the newest first, and where to go on when there are more."""
    rows = await connection.fetch(QUERIES.list_previews, job_id, before, limit + 1)
    return [preview_of(row) for row in rows[:limit]], rows[limit - 1]["number"] if len(rows) > limit else None


async def list_rows(
    connection: Connection,
    preview: Preview,
    *,
    after: int,
    limit: int,
    action: PlannedAction | None,
    object_type: ObjectType | None,
) -> tuple[list[dict[str, Any]], int | None]:
    """Return rows of a plan in the order in which diff told them, and where to go on when there are more."""
    key = preview.job_id, preview.preview_id
    rows = await connection.fetch(QUERIES.list_preview_rows, *key, after, action, object_type, limit + 1)
    totals = preview.fact.totals if preview.fact is not None else None
    held = totals is not None and totals.held > 0
    shown = [show_row(row["row"], held=held) for row in rows[:limit]]
    return shown, rows[limit - 1]["number"] if len(rows) > limit else None


async def save_facts(connection: Connection, facts: Sequence[PreviewFact]) -> None:
    """Save where previews stand, at most one fact for each; an older one changes nothing."""
    await connection.execute(
        QUERIES.save_previews,
        [fact.job_id for fact in facts],
        [fact.object_id for fact in facts],
        [fact.sequence for fact in facts],
        [fact.body().decode() for fact in facts],
    )


async def append_rows(connection: Connection, messages: Sequence[PreviewRows]) -> None:
    """Keep rows of plans; a repeat keeps nothing, and neither do rows of a preview that was forgotten."""
    rows = [
        (
            message.job_id,
            message.object_id,
            message.first + place,
            row.action.value,
            row.object_type.value,
            row.model_dump_json(by_alias=True, exclude_none=True),
        )
        for message in messages
        for place, row in enumerate(message.rows)
    ]
    if rows:
        await connection.execute(QUERIES.append_preview_rows, *(list(column) for column in zip(*rows, strict=True)))
