"""What the mirror holds of the users that a cycle touched, and what was last said of them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.assignment_watcher.core import Decision, Emitted, Path, User
from services.assignment_watcher.store import BULK_SECONDS
from shared.contracts.assignments import Lifecycle
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.assignment_watcher.mirror", "deriving.sql")


@dataclass(frozen=True, slots=True)
class Derived:
    """One touched user, what was last said of it, the hold that its removal waits in, and the round in which it lost its last path."""

    user: User
    last: Emitted | None
    hold_id: str | None
    leaving_since: int | None


async def touched_users(
    connection: Connection, job_id: str, *, nested: bool, chunk: int
) -> AsyncIterator[list[Derived]]:
    """Yield the touched users that have a path or were said before, oldest assignment first."""
    paths = QUERIES.nested_paths if nested else QUERIES.direct_paths
    cursor = await connection.cursor(f"{paths}{QUERIES.derive}", job_id, timeout=BULK_SECONDS)
    while rows := await cursor.fetch(chunk, timeout=BULK_SECONDS):
        yield [Derived(_user(row), _emitted(row), row["hold_id"], row["leaving_since"]) for row in rows]


def _user(row: Any) -> User:
    lifecycle = row["lifecycle"]
    paths = zip(row["times"] or (), row["assignments"] or (), row["groups"] or (), row["roles"] or (), strict=True)
    return User(
        object_id=row["object_id"],
        lifecycle=Lifecycle(lifecycle) if lifecycle else Lifecycle.UNKNOWN,
        attributes=orjson.loads(row["attributes"]) if row["attributes"] else {},
        paths=[Path(*path) for path in paths],
    )


def _emitted(row: Any) -> Emitted | None:
    if row["version"] is None:
        return None
    return Emitted(
        version=row["version"],
        digest=row["digest"],
        assigned_at=row["assigned_at"],
        effective=row["effective"],
    )


async def save_emitted(connection: Connection, job_id: str, said: Sequence[tuple[str, Decision]]) -> None:
    """Remember what was said of each object."""
    states = [
        (object_id, decision.version, decision.state, decision.effective)
        for object_id, decision in said
        if decision.state
    ]
    await connection.execute(
        QUERIES.save_emitted,
        job_id,
        [object_id for object_id, _, _, _ in states],
        [version for _, version, _, _ in states],
        [state.digest for _, _, state, _ in states],
        [state.assigned for _, _, state, _ in states],
        [state.assigned_at for _, _, state, _ in states],
        [effective for _, _, _, effective in states],
    )
