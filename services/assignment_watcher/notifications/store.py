"""The rows of subscriptions. Whatever is written here is written under the job's lease, except wishes: those are notes of the endpoint."""

from datetime import datetime
from typing import Final

from services.assignment_watcher.notifications.judging import Wish
from services.assignment_watcher.notifications.planning import Kept, Wanted
from services.assignment_watcher.sources.source import Stream
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.assignment_watcher.notifications")


async def load(connection: Connection, job_id: str) -> dict[Stream, Kept]:
    """Return the subscriptions of a job."""
    return {
        Stream(row["stream"]): Kept(
            identity=row["identity"],
            address=row["address"],
            subscription_id=row["subscription_id"],
            renewed_at=row["renewed_at"],
            expires_at=row["expires_at"],
            wish=Wish(row["wish"]) if row["wish"] else None,
            failures=row["failures"],
            retry_at=row["retry_at"],
        )
        for row in await connection.fetch(QUERIES.load_subscriptions, job_id)
    }


async def list_jobs(connection: Connection) -> list[str]:
    """Return the ids of the jobs that have subscriptions."""
    return [row["job_id"] for row in await connection.fetch(QUERIES.list_jobs_with_subscriptions)]


async def list_digests(connection: Connection) -> dict[str, dict[Stream, bytes]]:
    """Return the digests of all client states, by job and stream."""
    found: dict[str, dict[Stream, bytes]] = {}
    for row in await connection.fetch(QUERIES.list_digests):
        found.setdefault(row["job_id"], {})[Stream(row["stream"])] = row["client_state_digest"]
    return found


async def ask(
    connection: Connection, job_id: str, stream: Stream, wanted: Wanted, *, digest: bytes, now: datetime
) -> None:
    """Note that a subscription is asked for now: from here on its client state is known to every process."""
    await connection.execute(
        QUERIES.ask_subscription, job_id, stream.value, wanted.identity, wanted.address, digest, now
    )


async def confirm(
    connection: Connection, job_id: str, stream: Stream, subscription_id: str, *, now: datetime, until: datetime
) -> None:
    """Note that a subscription lives until then."""
    await connection.execute(QUERIES.confirm_subscription, job_id, stream.value, subscription_id, now, until)


async def fail(
    connection: Connection, job_id: str, stream: Stream, *, failures: int, retry_at: datetime, problem: str
) -> None:
    """Note that a step failed and when it is tried again."""
    await connection.execute(QUERIES.fail_subscription, job_id, stream.value, failures, retry_at, problem)


async def forget(connection: Connection, job_id: str, stream: Stream) -> None:
    """Drop the row."""
    await connection.execute(QUERIES.forget_subscription, job_id, stream.value)
