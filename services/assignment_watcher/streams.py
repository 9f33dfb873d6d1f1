"""The streams of a job: where each is followed from, and the full read that is under way aside (its shadow)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from services.assignment_watcher.queries import QUERIES
from services.assignment_watcher.sources.source import ChangePage, Stream
from shared.runtime.database import Connection
from shared.runtime.errors import LeaseLostError

FORCED_RENEWAL: Final = timedelta(days=5)
"""A link older than this is not tried any more: Microsoft documents seven days, after which it is dead (Graph, "delta query overview")."""
ALARM_AGE: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A full read under way: staged under ``attempt``, complete once it has a ``link``. ``rows`` counts what was staged by table."""

    attempt: UUID
    started_at: datetime
    following: str | None = None
    link: str | None = None
    issued_at: datetime | None = None
    pages: int = 0
    records: int = 0
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """Where one stream stands. Generation 0: it was never read whole."""

    job_id: str
    stream: Stream
    generation: int
    link: str | None
    issued_at: datetime | None
    rounds: int
    pages: int
    records: int
    last_round_at: datetime | None
    resynced_at: datetime | None
    resync_reason: str | None
    shadow: Shadow | None


def stream_of(job_id: str, row: Any) -> StreamRow:
    """Return a stream as the database holds it."""
    shadow = None
    if row["shadow_attempt"] is not None:
        shadow = Shadow(
            attempt=UUID(str(row["shadow_attempt"])),
            started_at=row["shadow_started_at"],
            following=row["shadow_next"],
            link=row["shadow_link"],
            issued_at=row["shadow_issued_at"],
            pages=row["shadow_pages"],
            records=row["shadow_records"],
            rows=orjson.loads(row["shadow_rows"]),
        )
    names = (
        "generation",
        "link",
        "issued_at",
        "rounds",
        "pages",
        "records",
        "last_round_at",
        "resynced_at",
        "resync_reason",
    )
    return StreamRow(job_id=job_id, stream=Stream(row["stream"]), shadow=shadow, **{name: row[name] for name in names})


async def begin_shadow(
    connection: Connection, row: StreamRow, *, reason: str | None, now: datetime, forced: bool
) -> Shadow:
    """Start a full read of a stream from its beginning; ``forced`` starts the time before which no other one is forced.

    Raises ``LeaseLostError`` when another process did so meanwhile.
    """
    shadow = Shadow(attempt=uuid4(), started_at=now, rows={})
    known = row.shadow.attempt if row.shadow else None
    if not await connection.fetchval(
        QUERIES.begin_shadow, row.job_id, row.stream, shadow.attempt, now, reason, forced, known
    ):
        raise LeaseLostError(f"full read of {row.stream} of job {row.job_id}")
    return shadow


async def advance_shadow(
    connection: Connection, row: StreamRow, shadow: Shadow, page: ChangePage, *, rows: Mapping[str, int], now: datetime
) -> Shadow:
    """Note that a page was staged and where the read goes on, in the transaction of the caller; ``rows`` is what is staged by now.

    Raises ``LeaseLostError`` when another process began this read anew.
    """
    read = replace(
        shadow,
        following=page.following,
        link=page.link,
        issued_at=now if page.link else None,
        pages=shadow.pages + 1,
        records=shadow.records + page.records,
        rows=rows,
    )
    if not await connection.fetchval(
        QUERIES.advance_shadow,
        row.job_id,
        row.stream,
        shadow.attempt,
        read.following,
        read.link,
        read.issued_at,
        page.records,
        orjson.dumps(dict(rows)).decode(),
    ):
        raise LeaseLostError(f"full read of {row.stream} of job {row.job_id}")
    return read


def too_old(row: StreamRow, now: datetime) -> str | None:
    """Return why a link is not to be tried any more, or nothing."""
    if row.issued_at is not None and now - row.issued_at > FORCED_RENEWAL:
        return f"its link is {(now - row.issued_at).days} days old and would die soon"
    return None
