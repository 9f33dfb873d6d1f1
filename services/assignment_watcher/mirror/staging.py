"""Pages put aside until what they belong to is whole: the cycle under way, or a full read (a shadow) that outlives it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from services.assignment_watcher.listing import AssignmentRow
from services.assignment_watcher.sources.source import Stream
from shared.runtime.database import Connection
from shared.runtime.errors import LeaseLostError
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.assignment_watcher.mirror")

TABLES: Final = ("assignments", "groups", "members", "users")
TABLES_OF: Final[dict[Stream, tuple[str, ...]]] = {Stream.GROUPS: ("groups", "members"), Stream.USERS: ("users",)}


@dataclass(slots=True, kw_only=True)
class Staging:
    """What one attempt has put aside so far, in rows. ``alive`` is shared by the attempts of a cycle: the rows of all of them stay."""

    job_id: str
    alive: set[UUID]
    attempt: UUID = field(default_factory=uuid4)
    rows: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.alive.add(self.attempt)

    async def stage_assignments(self, connection: Connection, rows: Sequence[AssignmentRow]) -> None:
        """Put a page of assignments aside."""
        await self._clear(connection, "assignments")
        columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
        await self._insert(connection, "assignments", *columns)

    async def stage_changes(self, connection: Connection, stream: Stream, body: str) -> None:
        """Put the records of a page body aside, if it holds any."""
        for table in TABLES_OF[stream]:
            await self._clear(connection, table)
            if body:
                await self._insert(connection, table, body)

    async def discard(self, connection: Connection, *tables: str) -> None:
        """Throw away what was put aside of these tables."""
        for table in tables:
            if self.rows.pop(table, None) is not None:
                await connection.execute(
                    getattr(QUERIES, f"clear_{table}"), self.job_id, list(self.alive - {self.attempt})
                )

    async def check(self, connection: Connection) -> None:
        """Raise ``LeaseLostError`` unless everything put aside is still there: another process or a crash of PostgreSQL took it away."""
        counted = await connection.fetchrow(QUERIES.count_staged, self.attempt)
        if any(counted[table] != self.rows.get(table, 0) for table in TABLES):
            raise LeaseLostError(f"pages of job {self.job_id}")

    async def _clear(self, connection: Connection, table: str) -> None:
        """Before the first row of this attempt: throw away what attempts that did not commit left behind."""
        if table not in self.rows:
            self.rows[table] = 0
            await connection.execute(getattr(QUERIES, f"clear_{table}"), self.job_id, list(self.alive))

    async def _insert(self, connection: Connection, table: str, *values: Any) -> None:
        tag = await connection.execute(getattr(QUERIES, f"stage_{table}"), self.job_id, self.attempt, *values)
        self.rows[table] += int(tag.rpartition(" ")[2])
