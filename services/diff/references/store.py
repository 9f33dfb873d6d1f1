"""The tables ``reference`` (who refers to whom, read from either side) and ``reference_changed`` (what to look at after a commit)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.diff.following import Move
from services.diff.store import Key
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES = Queries("services.diff.references")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """A person whose reference comes to something else than is known: the account id of ``referenced_id``, or nothing."""

    job_id: str
    object_id: str
    referenced_id: str
    target_id: str | None


async def follow(connection: Connection, moves: Sequence[Move]) -> None:
    """Note whom these persons refer to now, and that their references, and those to them, are to be looked at.

    They are looked at after the commit: only then is it sure that one of two transactions, in which a reference and the account
    that it names come to be, sees what the other one did.
    """
    turned = [move for move in moves if move.before.manager != move.after.manager]
    noted = [(move, move.after.manager) for move in turned if move.after.manager is not None]
    if noted:
        columns = [move.job_id for move, _ in noted], [move.object_id for move, _ in noted], [name for _, name in noted]
        await connection.execute(QUERIES.save_references, *columns)
    gone = [move for move in turned if move.after.manager is None]
    if gone:
        await connection.execute(
            QUERIES.forget_references, [move.job_id for move in gone], [move.object_id for move in gone]
        )
    linked = [move for move in moves if move.before.target_id != move.after.target_id]
    await note_changed(connection, {(move.job_id, move.object_id) for move in (*turned, *linked)})


async def note_changed(connection: Connection, keys: Collection[Key]) -> None:
    """Say that references of these persons, and to them, are to be looked at."""
    if keys:
        await connection.execute(QUERIES.note_changed, [job for job, _ in keys], [item for _, item in keys])


async def take_changed(connection: Connection, limit: int) -> list[Key]:
    """Take what ``note_changed`` said, at most ``limit`` words of it."""
    return [(row["job_id"], row["object_id"]) for row in await connection.fetch(QUERIES.take_changed, limit)]


async def out_of_step(connection: Connection, keys: Collection[Key], limit: int) -> list[Concerned]:
    """Return whose reference comes to something else by now, of these persons and of those who refer to them; at most ``limit``."""
    columns = [job for job, _ in keys], [item for _, item in keys]
    return [
        Concerned(
            job_id=row["job_id"],
            object_id=row["object_id"],
            referenced_id=row["referenced_id"],
            target_id=row["target_id"],
        )
        for row in await connection.fetch(QUERIES.out_of_step, *columns, limit)
    ]
