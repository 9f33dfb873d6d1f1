"""The table ``demand``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.contracts.cloudevents import Envelope
from shared.contracts.control import OperatorRequest
from shared.contracts.ids import message_key
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.assignment_watcher.demands")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One user who is to be read: by ``user_name`` (object id, userPrincipalName or mail address), in the flow of the request."""

    job_id: str
    request_id: str
    user_name: str
    correlation_id: str
    traceparent: str | None
    asked_at: datetime
    tries: int

    def cause(self) -> Envelope:
        """Return what ties messages to the request: its correlation id and trace."""
        return Envelope(
            id=UUID(int=0),
            source="/seatkeeper/console",
            type=OperatorRequest.type,
            subject=message_key(self.job_id, self.request_id),
            time=self.asked_at,
            sequence=0,
            correlation_id=self.correlation_id,
            traceparent=self.traceparent,
        )


async def claim(
    connection: Connection, now: datetime, patience: timedelta, limit: int, *, but_of: Sequence[str] = ()
) -> list[Demand]:
    """Take on what is due, except of some jobs; whatever is not finished within ``patience`` is due again."""
    return [Demand(**dict(row)) for row in await connection.fetch(QUERIES.claim, now, patience, limit, list(but_of))]


async def put_back(connection: Connection, demand: Demand, now: datetime) -> None:
    """Let the demand be taken on again at once, as if it had not been."""
    await connection.execute(QUERIES.put_back, demand.job_id, demand.request_id, now)


async def finish(connection: Connection, demand: Demand) -> bool:
    """Return whether the demand was still to be answered; it no longer is after the commit."""
    return await connection.fetchval(QUERIES.finish, demand.job_id, demand.request_id) is not None
