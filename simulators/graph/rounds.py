"""What one delta round contains ("Use delta query to track changes in Microsoft Graph data").

An initial round walks the objects that existed when it began. A later round reports the net state of each object changed
in its window: objects as they are when the page is made (whatever changes later is in the next window), memberships as
they were at the end of the window, worked out from the log alone.
"""

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

import orjson

from simulators.graph.changelog import ADDED, EVERYTHING, REMOVED
from simulators.graph.directory import Directory
from simulators.graph.entities import DirectoryObject, Group, Projection, State
from simulators.graph.statetokens import Round

NOTHING: frozenset[str] = frozenset()
REPLAYED_TRANSACTIONS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """What one object gives to one page: its records, how many members they carry, and where its next slice begins."""

    rows: list[bytes]
    weight: int = 0
    rest: int | None = None


class Contents(Protocol):
    """The objects of a round by index, and their parts by offset."""

    def part(self, index: int, offset: int) -> Part:
        """The records of the object at ``index``, its members from ``offset`` on."""


@dataclass(slots=True)
class Change:
    """What a window changed on one object: the names written, and per member (was linked, is linked)."""

    id: str
    names: frozenset[str] = NOTHING
    links: dict[str, tuple[bool, bool]] = field(default_factory=dict)


def removed(object_id: str, reason: str) -> bytes:
    """A record with ``@removed``: "changed" can be restored, "deleted" can not."""
    return b'{"id":"%s","@removed":{"reason":"%s"}}' % (object_id.encode(), reason.encode())


def plan(directory: Directory, state: Round, projection: Projection) -> list[Change]:
    """Every object that surfaces in the window of ``state``, in the order of its first change."""
    assert state.after is not None
    stream = directory.log.of(state.kind)
    wanted = set(state.ids)
    changes: dict[str, Change] = {}
    for object_id, names in stream.window(state.after, state.upto):
        if (not wanted or object_id in wanted) and ("*" in names or names & projection.surfacing):
            change = changes.setdefault(object_id, Change(object_id))
            change.names |= names
    if projection.members:
        for group_id, member_id, op in directory.log.links.window(state.after, state.upto):
            if not wanted or group_id in wanted:
                links = changes.setdefault(group_id, Change(group_id)).links
                before = links[member_id][0] if member_id in links else op != ADDED
                links[member_id] = (before, op != REMOVED)
    return list(changes.values())


class Plans:
    """The plans of the rounds under way, so that each page costs its own size and not that of the round."""

    def __init__(self, keep: int = 16) -> None:
        self._plans: OrderedDict[tuple[object, ...], list[Change]] = OrderedDict()
        self._keep = keep

    def of(self, directory: Directory, state: Round, projection: Projection) -> list[Change]:
        """The plan of a round that is not initial; the same each time, for the log is append-only."""
        key = (state.kind, state.after, state.upto, projection, state.ids)
        if key not in self._plans:
            self._plans[key] = plan(directory, state, projection)
            while len(self._plans) > self._keep:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        return self._plans[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a round is made from. ``seen`` is the LSN that the answering replica has seen, ``None`` for everything."""

    directory: Directory
    state: Round
    projection: Projection
    changes: list[Change] | None
    minimal: bool
    seen: int | None = None

    def change(self, index: int) -> Change | None:
        """The change at ``index``, or ``None`` in an initial round."""
        return None if self.changes is None else self.changes[index]

    def find(self, index: int) -> DirectoryObject | None:
        """The object at ``index`` as the replica sees it."""
        objects, order = self.directory.collection(self.state.kind)
        change = self.change(index)
        wanted = change.id if change is not None else self.state.ids[index] if self.state.ids else None
        found = order[index] if wanted is None else objects.get(wanted)
        return None if found is None else self.directory.seen(found, self.seen)

    def living(self, index: int, room: int) -> list[bytes] | None:
        """The records of up to ``room`` objects from ``index`` on, all at once; ``None`` where they need a closer look."""
        if self.changes is not None or self.state.ids or self.seen is not None or self.state.kind == "groups":
            return None
        _, order = self.directory.collection(self.state.kind)
        projection = self.projection
        found = order[index : min(index + room, self.state.total)]
        if projection.manager:
            return [with_manager(self, one, None) for one in found if one.state is State.LIVE]
        return [one.json(projection) for one in found if one.state is State.LIVE]


class ObjectRound:
    """The records of a users/delta or servicePrincipals/delta round."""

    def __init__(self, view: View) -> None:
        self._view = view

    def part(self, index: int, offset: int) -> Part:  # noqa: ARG002 - such an object has one part
        """One record, or none for an object that an initial round does not promise."""
        view, found, change = self._view, self._view.find(index), self._view.change(index)
        if found is None or (change is None and found.state is not State.LIVE):
            return Part([])
        if found.state is not State.LIVE:
            return Part([removed(found.id, "changed" if found.state is State.SOFT else "deleted")])
        if view.projection.manager:
            return Part([with_manager(view, found, change)])
        names = change.names if change is not None and view.minimal else EVERYTHING
        return Part([live(found, view.projection, names)])


class GroupRound:
    """The records of a groups/delta round: a large group is repeated with another slice of its members."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._directory = view.directory
        self._projection = view.projection

    def part(self, index: int, offset: int) -> Part:
        """The group with the members from ``offset`` on; a soft-deleted one ends with its ``@removed`` record."""
        view, group, change = self._view, self._view.find(index), self._view.change(index)
        if not isinstance(group, Group) or (change is None and group.state is State.HARD):
            return Part([])
        if group.state is State.HARD:
            return Part([removed(group.id, "deleted")])
        names = EVERYTHING if change is None or not view.minimal else change.names
        members, rest = self._slice(group, change, offset)
        if group.state is State.LIVE:
            surfaces = change is None or bool(change.names)
            rows = (
                [with_members(live(group, self._projection, names), members)]
                if members or (surfaces and not offset)
                else []
            )
            return Part(rows, len(members), rest)
        if self._directory.knobs.soft_deleted_group_links == "lost":
            return Part([removed(group.id, "changed")] if change is not None else [])
        rows = [with_members(live(group, self._projection, names), members)] if members else []
        return Part(rows if rest is not None else [*rows, removed(group.id, "changed")], len(members), rest)

    def _slice(self, group: Group, change: Change | None, offset: int) -> tuple[list[bytes], int | None]:
        size = self._directory.knobs.member_slice
        if not self._projection.members:
            return [], None
        if change is None:
            end = bisect_right(group.slot_lsns, self._view.state.upto)
            window = group.slots[offset : min(offset + size, end)]
            entries = self._directory.member_json
            found = [entries[member] for member in window if member is not None]
        else:
            end = len(change.links)
            flapped = self._directory.knobs.flapped_links == "removed"
            links = islice(change.links.items(), offset, offset + size)
            found = [self._member(member, is_now) for member, (was, is_now) in links if was or is_now or flapped]
        return found, offset + size if offset + size < end else None

    def _member(self, member_id: str, linked: bool) -> bytes:
        return link(self._directory, member_id, linked=linked)


def link(directory: Directory, object_id: str, *, linked: bool) -> bytes:
    """The entry of an object in a relationship that it has, or no longer has."""
    body = directory.member_json[object_id]
    return body if linked else body[:-1] + b',"@removed":{"reason":"deleted"}}'


def with_manager(view: View, user: DirectoryObject, change: Change | None) -> bytes:
    """The record of a live user with ``manager@delta``: in an initial round who the manager is, later what became of that in the window."""
    record = live(user, view.projection, change.names if change is not None and view.minimal else EVERYTHING)
    now, before = user.properties.get("manager"), None
    if change is not None:
        if not change.names & {"*", "manager"}:
            return record
        assert view.state.after is not None
        past = view.directory.history.seen(user, view.state.after)
        before = None if past is None else past.properties.get("manager")
    entries = [link(view.directory, now, linked=True)] if now else []
    if before and before != now:
        entries.append(link(view.directory, before, linked=False))
    return b'%s,"manager@delta":[%s]}' % (record[:-1], b",".join(entries)) if entries else record


def live(target: DirectoryObject, projection: Projection, names: frozenset[str]) -> bytes:
    """The record of an object: all selected properties, or with ``Prefer: return=minimal`` those of ``names`` and the id."""
    if "*" in names:
        return target.json(projection)
    written = {
        k: target.properties[k] for k in projection.names if k == "id" or (k in names and k in target.properties)
    }
    return orjson.dumps(written)


def with_members(record: bytes, members: list[bytes]) -> bytes:
    """The record with ``members@delta``; without members it says nothing about membership."""
    return b'%s,"members@delta":[%s]}' % (record[:-1], b",".join(members)) if members else record


def replayed(view: View, count: int) -> list[bytes]:
    """Up to ``count`` records of the window before this round, in the state that this round ends with (rule 13)."""
    state = view.state
    if state.after is None:
        return []
    past = replace(state, after=max(0, state.after - REPLAYED_TRANSACTIONS), upto=state.after)
    wanted = plan(view.directory, past, view.projection)[-count:]
    now = {change.id: change for change in plan(view.directory, replace(past, upto=state.upto), view.projection)}
    again = [
        Change(
            one.id,
            one.names,
            {member: now[one.id].links[member] for member in one.links if member in now[one.id].links},
        )
        for one in wanted
    ]
    contents = contents_of(replace(view, changes=again, state=replace(state, ids=())))
    return [row for index in range(len(again)) for row in contents.part(index, 0).rows]


def contents_of(view: View) -> Contents:
    """The records of a round of this kind."""
    return GroupRound(view) if view.state.kind == "groups" else ObjectRound(view)
