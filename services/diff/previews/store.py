"""The table ``preview``: what was asked for, and how far it is. What a plan says is not kept here: console has it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.diff.flows import SOURCE
from services.diff.previews.looking import QUERIES
from shared.contracts.cloudevents import Envelope
from shared.contracts.control import OperatorRequest
from shared.contracts.ids import derived_id
from shared.contracts.preview import PreviewFact, PreviewState, PreviewWish
from shared.runtime.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One preview as it stands. ``attempts`` counts how often its plan was begun; ``sequence`` is that of the last word about it."""

    job_id: str
    preview_id: str
    job_version: int
    wish: PreviewWish | None
    attempts: int
    sequence: int
    asked_at: datetime
    correlation_id: str
    traceparent: str | None

    @property
    def key(self) -> tuple[str, str]:
        """Return job id and preview id."""
        return self.job_id, self.preview_id

    def cause(self, at: datetime) -> Envelope:
        """Return an envelope that stands for the request, so that what is told goes on in its flow."""
        return Envelope(
            id=derived_id("preview", *self.key),
            source=SOURCE,
            type=PreviewFact.type,
            subject="/".join(self.key),
            time=at,
            sequence=self.sequence,
            correlation_id=self.correlation_id,
            traceparent=self.traceparent,
        )


async def ask(connection: Connection, request: OperatorRequest, wish: PreviewWish, envelope: Envelope) -> list[Preview]:
    """Note a preview that is asked for; return those of the job that are not wanted any more. A repeat notes nothing."""
    made = await connection.fetchval(
        QUERIES.insert_preview,
        request.job_id,
        request.object_id,
        request.sequence,
        wish.job_version,
        wish.model_dump_json(by_alias=True, exclude_none=True),
        envelope.correlation_id,
        envelope.traceparent,
    )
    if made is None:
        return []
    return [_of(row) for row in await connection.fetch(QUERIES.supersede_previews, request.job_id)]


async def list_open(connection: Connection) -> list[tuple[str, str]]:
    """Return the keys of the previews that are to be made, in the order in which they were asked for."""
    return [(row["job_id"], row["preview_id"]) for row in await connection.fetch(QUERIES.list_open)]


async def lock_open(connection: Connection, key: tuple[str, str]) -> Preview | None:
    """Return a preview that is to be made, locked until the commit, or nothing when it is over."""
    row = await connection.fetchrow(QUERIES.lock_open, *key)
    return _of(row) if row is not None else None


async def begin(connection: Connection, preview: Preview) -> Preview:
    """Note that a locked preview is being made, and return it as it stands then."""
    return _of(await connection.fetchrow(QUERIES.begin_preview, *preview.key))


async def advance(connection: Connection, preview: Preview) -> int | None:
    """Return the sequence of a word about how far it is, or nothing when somebody else makes it, or nobody wants it any more."""
    sequence: int | None = await connection.fetchval(QUERIES.advance_preview, *preview.key, preview.attempts)
    return sequence


async def end(connection: Connection, preview: Preview, state: PreviewState, words: int) -> int | None:
    """Note that it is over, and take ``words`` sequences; return the last of them, or nothing when it was over before."""
    sequence: int | None = await connection.fetchval(QUERIES.end_preview, *preview.key, preview.attempts, state, words)
    return sequence


async def forget(connection: Connection) -> None:
    """Forget previews that have been over for long."""
    await connection.execute(QUERIES.forget_previews)


def _of(row: Any) -> Preview:
    return Preview(
        job_id=row["job_id"],
        preview_id=row["preview_id"],
        job_version=row["job_version"],
        wish=PreviewWish.model_validate_json(row["wish"]) if row["wish"] else None,
        attempts=row["attempts"],
        sequence=row["sequence"],
        asked_at=row["asked_at"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
    )
