"""A snapshot as a source: CSV or JSON Lines files that say who is assigned, read again in each cycle."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

import orjson

from services.assignment_watcher.listing import AssignmentRow
from services.assignment_watcher.sources.point_reads import Ways
from services.assignment_watcher.sources.snapshot_content import Checked, SnapshotContent
from services.assignment_watcher.sources.snapshot_rows import ALWAYS_READ, SnapshotRow, assignment_id_of, role_id_of
from services.assignment_watcher.sources.source import ChangePage, Found, Member, RestartRoundError, Stream, Traffic
from shared.contracts.assignments import AppRole, Lifecycle
from shared.contracts.job import SnapshotSource

PAGE_RECORDS: Final = 999
NO_GROUPS: Final = "no-groups"
"""The link of the stream of groups, which never has anything."""
_NOTHING: Final = '{"value":[]}'

T = TypeVar("T")


class Snapshot:
    """The files at the path of one job. Keeps the ``Source`` protocol.

    Every row is a direct assignment for each of its roles. Somebody who is no longer in the files has no assignment any more; whether that
    is believed is for the watcher to decide. Nothing of the files is used while any of them is faulty.
    """

    kind = "snapshot"

    def __init__(
        self, source: SnapshotSource, attributes: Iterable[str], *, folder: Path | None, limit_bytes: int
    ) -> None:
        self.traffic = Traffic()
        self._path = str(PurePosixPath(source.path))
        self._selected = tuple(sorted({*ALWAYS_READ, *attributes}))
        self._content = SnapshotContent(self._path, folder=folder, limit_bytes=limit_bytes, selected=self._selected)

    @property
    def identity(self) -> str:
        """The path: what its folder is called on this machine does not matter."""
        return f"snapshot {self._path}"

    def query(self, stream: Stream) -> str:
        """Return the columns that are read."""
        return f"snapshot {stream} {','.join(self._selected) if stream is Stream.USERS else ''}".rstrip()

    async def read_roles(self) -> Sequence[AppRole]:
        """Return the roles that occur, and "User": nobody may have it at the moment."""
        checked = await self._check("roles")
        return [AppRole(id=role_id_of(role), value=role, display_name=role) for role in checked.roles]

    async def read_assignments(self) -> AsyncIterator[Sequence[AssignmentRow]]:
        """Yield every row once for each of its roles."""
        rows = self._content.rows(await self._check("assignments"))
        async for page in _in_thread(_pages(assignment for row in rows for assignment in _assignments(row))):
            yield page

    async def find_assignments(self, assignment_ids: Sequence[str]) -> frozenset[str]:
        """Return those that the files give now."""
        checked = await self._check("assignments")
        return await asyncio.to_thread(self._find_assignments, checked, frozenset(assignment_ids))

    async def read_changes(
        self, stream: Stream, link: str | None, *, page: str | None = None
    ) -> AsyncIterator[ChangePage]:
        """Yield all users when anything changed since ``link``, and one empty page otherwise.

        The link is a digest of the content and of what is read of it. Raises ``RestartRoundError`` when ``page`` belongs to other content.
        """
        if stream is Stream.GROUPS:
            yield ChangePage(body=_NOTHING, records=0, link=NO_GROUPS)
            return
        checked = await self._check("users")
        current = self._link(checked)
        if page is None and link == current:
            yield ChangePage(body=_NOTHING, records=0, link=current)
            return
        start = 0 if page is None else _position(page, current, checked.users)
        async for changes in _in_thread(self._user_pages(checked, current, start)):
            yield changes

    async def read_members(self, group_id: str, *, in_background: bool = False) -> AsyncIterator[ChangePage]:  # noqa: ARG002 - the protocol's
        """Yield nothing: a snapshot has no groups."""
        nothing: tuple[ChangePage, ...] = ()
        for page in nothing:
            yield page

    async def find_members(self, group_id: str, absent: Sequence[Member], *, through: Sequence[str]) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Return nobody: a snapshot has no groups."""
        return frozenset()

    async def find_users(self, user_ids: Sequence[str], *, in_background: bool = False) -> Sequence[Found]:  # noqa: ARG002 - the protocol's
        """Return who is in the files now. Of anybody else a snapshot knows nothing."""
        checked = await self._check("users")
        wanted = list(dict.fromkeys(user_id.lower() for user_id in user_ids))
        rows = await asyncio.to_thread(self._find_users, checked, frozenset(wanted))
        return [
            Found(object_id=user_id, lifecycle=Lifecycle.LIVE, record=rows[user_id].properties)
            if user_id in rows
            else _unknown(user_id)
            for user_id in wanted
        ]

    async def find_groups(self, group_ids: Sequence[str]) -> Sequence[Found]:
        """Return that none is known."""
        return [_unknown(group_id) for group_id in dict.fromkeys(group_id.lower() for group_id in group_ids)]

    async def find_user(self, name: str) -> Found | None:
        """Return the row with this object id, userPrincipalName or mail address."""
        checked = await self._check("users")
        row = await asyncio.to_thread(self._find_named, checked, name.strip().casefold())
        return Found(object_id=row.user_id, lifecycle=Lifecycle.LIVE, record=row.properties) if row else None

    async def read_ways(self, found: Found, groups: Sequence[str]) -> Ways:  # noqa: ARG002 - the protocol's
        """Return the assignments of the user's row; a snapshot has no groups."""
        checked = await self._check("assignments")
        rows = await asyncio.to_thread(self._find_users, checked, frozenset({found.object_id}))
        return Ways(assignments=[one for row in rows.values() for one in _assignments(row)])

    async def count_users(self) -> int | None:
        """Return how many rows there are."""
        return (await self._check("count")).users

    async def _check(self, asked_for: str) -> Checked:
        self.traffic.by_kind[asked_for] += 1
        return await asyncio.to_thread(self._content.check)

    def _link(self, checked: Checked) -> str:
        said = f"{checked.digest} {self.query(Stream.USERS)}"
        return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()

    def _find_assignments(self, checked: Checked, wanted: Collection[str]) -> frozenset[str]:
        found = (assignment.assignment_id for row in self._content.rows(checked) for assignment in _assignments(row))
        return frozenset(assignment_id for assignment_id in found if assignment_id in wanted)

    def _find_users(self, checked: Checked, wanted: Collection[str]) -> dict[str, SnapshotRow]:
        return {row.user_id: row for row in self._content.rows(checked) if row.user_id in wanted}

    def _find_named(self, checked: Checked, name: str) -> SnapshotRow | None:
        names = ("userPrincipalName", "mail")
        found = [
            row
            for row in self._content.rows(checked)
            if row.user_id == name or name in {str(row.properties.get(one)).casefold() for one in names}
        ]
        by_id = [row for row in found if row.user_id == name]
        return by_id[0] if by_id else found[0] if len(found) == 1 else None

    def _user_pages(self, checked: Checked, link: str, start: int) -> Iterator[ChangePage]:
        rows, done = islice(self._content.rows(checked), start, None), start
        while True:
            records = [row.properties for row in islice(rows, PAGE_RECORDS)]
            done += len(records)
            if last := done >= checked.users:
                # The link is given only after the end of the files was seen, unchanged.
                for _ in rows:
                    pass
            yield ChangePage(
                body=orjson.dumps({"value": records}).decode(),
                records=len(records),
                link=link if last else None,
                following=None if last else f"{link}:{done}",
            )
            if last:
                return


def _assignments(row: SnapshotRow) -> Iterator[AssignmentRow]:
    for role in row.roles:
        yield AssignmentRow(assignment_id_of(row.user_id, role), "user", row.user_id, role_id_of(role), row.assigned_at)


def _unknown(object_id: str) -> Found:
    return Found(object_id=object_id, lifecycle=Lifecycle.UNKNOWN)


def _position(page: str, link: str, users: int) -> int:
    belongs_to, _, done = page.rpartition(":")
    if belongs_to != link or not done.isdecimal() or int(done) > users:
        raise RestartRoundError("the snapshot is not what it was when its reading began")
    return int(done)


def _pages(rows: Iterator[T]) -> Iterator[list[T]]:
    while page := list(islice(rows, PAGE_RECORDS)):
        yield page


async def _in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """Step through ``items`` in a thread. Whoever leaves early drops the last reference to them, which closes their file."""
    while (item := await asyncio.to_thread(next, items, None)) is not None:
        yield item
