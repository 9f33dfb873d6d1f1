"""What the mirror holds of the users and groups that a cycle touched, and what was last said of them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.assignment_watcher.core import Decision, Emitted, Mirrored, Path
from services.assignment_watcher.store import BULK_SECONDS
from shared.contracts.assignments import Lifecycle
from shared.contracts.message import ObjectType
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.assignment_watcher.mirror", "deriving.sql")


@dataclass(frozen=True, slots=True)
class Derived:
    """One touched object, what was last said of it, the hold that its removal waits in, and the round in which it lost its last path."""

    known: Mirrored
    last: Emitted | None
    hold_id: str | None
    leaving_since: int | None


async def touched_objects(
    connection: Connection, job_id: str, object_type: ObjectType, *, nested: bool, chunk: int
) -> AsyncIterator[list[Derived]]:
    """Yield the touched users, or groups, that have a path or were said before, oldest assignment first."""
    query = QUERIES.derive_groups
    if object_type is ObjectType.USER:
        query = f"{QUERIES.nested_paths if nested else QUERIES.direct_paths}{QUERIES.derive}"
    cursor = await connection.cursor(query, job_id, timeout=BULK_SECONDS)
    while rows := await cursor.fetch(chunk, timeout=BULK_SECONDS):
        yield [Derived(_known(row, object_type), _emitted(row), row["hold_id"], row["leaving_since"]) for row in rows]


def _known(row: Any, object_type: ObjectType) -> Mirrored:
    lifecycle, nested = row["lifecycle"], row["nested"]
    columns = zip(row["times"] or (), row["assignments"] or (), row["groups"] or (), row["roles"] or (), strict=True)
    paths = [Path(*each) for each in columns]
    if nested:
        paths = [path._replace(nested=path.group_id in nested) for path in paths]
    return Mirrored(
        object_type=object_type,
        object_id=row["object_id"],
        lifecycle=Lifecycle(lifecycle) if lifecycle else Lifecycle.UNKNOWN,
        attributes=orjson.loads(row["attributes"]) if row["attributes"] else {},
        paths=paths,
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


async def save_emitted(
    connection: Connection, job_id: str, object_type: ObjectType, said: Sequence[tuple[str, Decision]]
) -> None:
    """Remember what was said of each object of one type."""
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
        object_type,
    )
