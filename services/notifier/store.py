"""The tables of notifier. Handlers use a constant number of statements for a batch."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from services.notifier.core import Digest, Folded, Kind, Occurrence, Problem
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.notifier")
_DIGEST: Final = TypeAdapter(Digest)
_ROWS: Final = 1000
_LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Failures of one kind of one job that wait to be mailed, and since when."""

    job_id: str
    kind: Kind
    first_at: datetime
    last_at: datetime
    last_mail_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail that is to go out."""

    id: UUID
    job_id: str
    digest: Digest
    attempts: int
    created_at: datetime


async def save_occurrences(connection: Connection, folded: Folded, now: datetime) -> None:
    """Keep what fails and what recovered; failures that were not mailed yet start or prolong the collection of their job."""
    places = sorted({(item.job_id, item.kind.value) for item in (*folded.before, *folded.after)})
    if places:
        wanted = ([job_id for job_id, _ in places], [kind for _, kind in places])
        await connection.execute(QUERIES.add_collections, *wanted)
        await connection.fetch(QUERIES.lock_collections, *wanted)
    fresh = await _save_problems(connection, folded.before)
    if folded.recoveries:
        recoveries = sorted(folded.recoveries, key=lambda item: item.place)
        await connection.execute(
            QUERIES.recover,
            [item.job_id for item in recoveries],
            [item.kind.value for item in recoveries],
            [item.subject for item in recoveries],
            [item.generation for item in recoveries],
        )
    fresh |= await _save_problems(connection, folded.after)
    if fresh:
        rows = sorted(fresh)
        await connection.execute(
            QUERIES.extend_collections, [job_id for job_id, _ in rows], [kind for _, kind in rows], now
        )


async def _save_problems(connection: Connection, items: Collection[Occurrence]) -> set[tuple[str, str]]:
    if not items:
        return set()
    rows = [(item, item.failure) for item in items if item.failure is not None]
    rows.sort(key=lambda row: (*row[0].place, row[1].code))
    saved = await connection.fetch(
        QUERIES.save_problems,
        [item.job_id for item, _ in rows],
        [item.kind.value for item, _ in rows],
        [item.subject for item, _ in rows],
        [failure.code for _, failure in rows],
        [item.generation for item, _ in rows],
        [failure.message[:_LONGEST_TEXT] for _, failure in rows],
        [failure.advice[:_LONGEST_TEXT] for _, failure in rows],
        [failure.http_status for _, failure in rows],
        [item.at for item, _ in rows],
    )
    return {(row["job_id"], row["kind"]) for row in saved if row["to_mail"]}


async def list_collected(connection: Connection) -> list[Collected]:
    """Return every collection that waits to be mailed: one for each job and kind at most."""
    return [
        Collected(
            job_id=row["job_id"],
            kind=Kind(row["kind"]),
            first_at=row["first_at"],
            last_at=row["last_at"],
            last_mail_at=row["last_mail_at"],
        )
        for row in await connection.fetch(QUERIES.list_collections)
    ]


async def lock_collection(connection: Connection, collected: Collected) -> int | None:
    """Lock a collection and return how many mails it had before; nothing when it was mailed meanwhile."""
    row = await connection.fetchrow(QUERIES.lock_collection, collected.job_id, collected.kind.value)
    return None if row is None else int(row["mails"])


async def read_problems(connection: Connection, collected: Collected) -> AsyncIterator[Problem]:
    """Yield the failures that were not mailed yet, oldest first, a bounded number of rows in memory; within a transaction."""
    cursor = await connection.cursor(QUERIES.read_problems, collected.job_id, collected.kind.value)
    while rows := await cursor.fetch(_ROWS):
        for row in rows:
            yield Problem(**dict(row))


async def close_collection(
    connection: Connection, collected: Collected, *, mail_id: UUID | None, mailed_at: datetime | None
) -> None:
    """End a locked collection: its failures belong to ``mail_id`` now; those that recovered, or all without one, are forgotten."""
    place = (collected.job_id, collected.kind.value)
    if mail_id is not None:
        await connection.execute(QUERIES.mark_mailed, *place, mail_id)
    await connection.execute(QUERIES.forget_unmailed, *place)
    await connection.execute(QUERIES.close_collection, *place, mailed_at)


async def add_mail(connection: Connection, mail_id: UUID, job_id: str, digest: Digest, now: datetime) -> None:
    """Add a mail that is to go out at once."""
    content = _DIGEST.dump_json(digest).decode()
    await connection.execute(QUERIES.add_mail, mail_id, job_id, digest.kind.value, content, digest.total, now)


async def add_suppressed(
    connection: Connection, mail_id: UUID, job_id: str, digest: Digest, *, reason: str, now: datetime
) -> None:
    """Note that failures were not mailed and why: one row for each reason, which counts them."""
    content = _DIGEST.dump_json(digest).decode()
    await connection.execute(
        QUERIES.add_suppressed, mail_id, job_id, digest.kind.value, content, reason, digest.total, now
    )


async def list_due_mails(connection: Connection, now: datetime, most: int) -> list[Mail]:
    """Return mails that may go out now, the longest due first."""
    return [_mail(row) for row in await connection.fetch(QUERIES.list_due_mails, now, most)]


async def claim_mail(connection: Connection, mail_id: UUID, now: datetime) -> bool:
    """Mark a mail as being sent; false when it is not to be sent any more. Commit this before the mail is handed over."""
    return await connection.fetchval(QUERIES.claim_mail, mail_id, now) is not None


async def settle_mail(
    connection: Connection,
    mail_id: UUID,
    *,
    state: str,
    reason: str | None,
    next_attempt_at: datetime | None,
    now: datetime,
) -> None:
    """Note what became of an attempt."""
    await connection.execute(QUERIES.settle_mail, mail_id, state, reason, next_attempt_at, now)


async def postpone_due_mails(connection: Connection, *, reason: str, next_attempt_at: datetime, now: datetime) -> None:
    """Put off everything that is due: the mail server is down."""
    await connection.execute(QUERIES.postpone_due_mails, reason, next_attempt_at, now)


async def doubt_sending_mails(connection: Connection, *, reason: str, now: datetime) -> Sequence[UUID]:
    """Mark mails whose sending was cut off as uncertain, and return them."""
    return [row["id"] for row in await connection.fetch(QUERIES.doubt_sending_mails, reason, now)]


async def count_mails(connection: Connection) -> dict[str, int]:
    """Return how many mails there are in each state that is not an end."""
    return {row["state"]: row["mails"] for row in await connection.fetch(QUERIES.count_mails)}


def _mail(row: Any) -> Mail:
    return Mail(
        id=row["id"],
        job_id=row["job_id"],
        digest=_DIGEST.validate_json(row["content"]),
        attempts=row["attempts"],
        created_at=row["created_at"],
    )
