"""The state of the simulated tenant and the primitive changes to it.

Every change is staged and can be rolled back until :meth:`Directory.commit`, so that a transaction is all or nothing.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from simulators.graph.application import Application
from simulators.graph.changelog import ADDED, EVERYTHING, REMOVED, RESENT, ChangeLog, Staged
from simulators.graph.entities import (
    Assignment,
    DirectoryObject,
    Group,
    ServicePrincipal,
    State,
    Tenant,
    Thing,
    User,
)
from simulators.graph.history import History
from simulators.graph.knobs import Clock, Knobs
from simulators.graph.refusal import RefusedError

Kind = TypeVar("Kind", bound=DirectoryObject)
LATE = 2
"""Staged only: a removal that the log shows one transaction later."""


class MemberJson(dict[str, bytes]):
    """The entry of each object in ``members@delta``, made when it is first asked for: one object is in many groups."""

    def __init__(self, kind_of: Callable[[str], str]) -> None:
        super().__init__()
        self._kind_of = kind_of

    def __missing__(self, object_id: str) -> bytes:
        kind = self._kind_of(object_id).encode()
        body = b'{"@odata.type":"#microsoft.graph.%s","id":"%s"}' % (kind, object_id.encode())
        self[object_id] = body
        return body

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy begins empty."""
        return MemberJson, (self._kind_of,)


class Directory:
    """Users, groups, other objects, memberships, and one application with its assignments.

    ``user_order`` and ``group_order`` only grow: a position in them stays valid while a round is paged.
    """

    def __init__(self, tenant: Tenant, knobs: Knobs, source: random.Random) -> None:
        self.tenant = tenant
        self.knobs = knobs
        self.clock = Clock()
        self.random = source
        self.log = ChangeLog()
        self.history = History()
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.things: dict[str, Thing] = {}
        self.user_order: list[User] = []
        self.group_order: list[Group] = []
        self.by_name: dict[str, str] = {}
        self.ever_deleted: set[str] = set()
        self.on_commit: Callable[[int, Staged], None] | None = None
        self.member_json = MemberJson(self.kind_of)
        self._staged = Staged()
        self._late: list[tuple[str, str, int]] = []
        self._undo: list[Callable[[], object]] = []
        self.application = Application(tenant, source, self._undo, self._listed)

    def new_id(self) -> str:
        """A UUID-shaped id, the next in the sequence that the seed determines."""
        bits = f"{self.random.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-8{bits[17:20]}-{bits[20:]}"

    def commit(self) -> int:
        """Make everything staged visible at one new LSN, which is returned."""
        late, self._late = self._late, [link for link in self._staged.links if link[2] == LATE]
        prompt = [link for link in self._staged.links if link[2] != LATE]
        self._staged.links = [*((group, member, REMOVED) for group, member, _ in late), *prompt]
        staged, self._staged = self._staged, Staged()
        lsn = self.log.commit(staged, self.clock.now())
        self.history.commit(lsn)
        self._undo.clear()
        if self.on_commit is not None:
            self.on_commit(lsn, staged)
        return lsn

    def forget_undo(self) -> None:
        """What was done so far is the seed and cannot be undone."""
        self._undo.clear()

    def roll_back(self) -> None:
        """Undo everything since the last commit."""
        while self._undo:
            self._undo.pop()()
        self._staged = Staged()
        self.history.roll_back()

    def user(self, user_id: str, *states: State, field: str = "userId") -> User:
        """The user in one of ``states`` (live when none is given); raises :class:`RefusedError`."""
        user = self.users.get(user_id)
        return _in_state(user, states or (State.LIVE,), "user", field)

    def group(self, group_id: str, *states: State, field: str = "groupId") -> Group:
        """The group in one of ``states`` (live when none is given); raises :class:`RefusedError`."""
        group = self.groups.get(group_id)
        return _in_state(group, states or (State.LIVE,), "group", field)

    def any(self, object_id: str) -> DirectoryObject | None:
        """The user, group or other object with this id, in whatever state."""
        return self.users.get(object_id) or self.groups.get(object_id) or self.things.get(object_id)

    def kind_of(self, object_id: str) -> str:
        """The ``@odata.type`` of an object without its prefix."""
        if object_id in self.users:
            return "user"
        return "group" if object_id in self.groups else self.things[object_id].kind

    def create_user(self, properties: dict[str, Any]) -> User:
        """Create a live user from properties with ``id`` and a free ``userPrincipalName``."""
        user = self._new(User(properties), "userId")
        self._claim(user)
        self.users[user.id] = user
        self.user_order.append(user)
        self._undo += [lambda: self.users.pop(user.id), self.user_order.pop]
        self._staged.users.append((user.id, EVERYTHING))
        return user

    def create_thing(self, kind: str, properties: dict[str, Any]) -> Thing:
        """Create an object that is neither user nor group."""
        thing = self._new(Thing(kind, properties), "objectId")
        self.things[thing.id] = thing
        self._undo.append(lambda: self.things.pop(thing.id))
        return thing

    def update_user(self, user_id: str, properties: dict[str, Any]) -> None:
        """Write properties (``None`` clears) of a live user; values that are the same already are no change."""
        user = self.user(user_id)
        changed = self._write(user, properties)
        if "userPrincipalName" in changed:
            self.by_name.pop(str(changed["userPrincipalName"]).casefold(), None)
            old = str(changed["userPrincipalName"]).casefold()
            self._undo.append(lambda: self.by_name.__setitem__(old, user_id))
            self._claim(user)
        if changed:
            self._staged.users.append((user_id, frozenset(changed)))
            self.application.restyle(user_id)

    def set_manager(self, user_id: str, manager_id: str | None) -> None:
        """Give a live user a live manager in place of the one it has, or none; what is so already is no change."""
        user = self.user(user_id)
        if manager_id is not None and self.user(manager_id, field="managerId") is user:
            raise RefusedError("managerId", "is the user itself")
        if (before := user.properties.get("manager")) == manager_id:
            return
        self._write(user, {"manager": manager_id})
        for other, change, back in ((before, "discard", "add"), (manager_id, "add", "discard")):
            if other is not None:
                getattr(self.users[other].reports, change)(user_id)
                self._undo.append(partial(getattr(self.users[other].reports, back), user_id))
        self._staged.users.append((user_id, frozenset({"manager"})))

    def soft_delete_user(self, user_id: str) -> None:
        """Delete a user restorably: memberships and assignments are kept, assignments are no longer listed."""
        user = self.user(user_id)
        self._move(user, State.SOFT, self._staged.users)
        name = str(user.properties["userPrincipalName"]).casefold()
        self.by_name.pop(name, None)
        self._undo.append(lambda: self.by_name.__setitem__(name, user_id))

    def restore_user(self, user_id: str) -> None:
        """Bring a soft-deleted user back, with its memberships and the same assignment ids."""
        user = self.user(user_id, State.SOFT)
        self._claim(user)
        self._move(user, State.LIVE, self._staged.users)
        if self.knobs.restore_resends_members:
            self._staged.links += [(group_id, user_id, RESENT) for group_id in user.groups]

    def hard_delete_user(self, user_id: str) -> None:
        """Delete a user for good; the ``hard_deleted_members`` knob says when its links show up as removed."""
        user = self.user(user_id, State.LIVE, State.SOFT)
        if user.state is State.LIVE:
            self.soft_delete_user(user_id)
        self._move(user, State.HARD, self._staged.users)
        for report in sorted(user.reports):
            if self.users[report].state is State.LIVE:
                self.set_manager(report, None)
        self.application.drop(user_id, lsn=self.log.lsn + 1)
        for group_id in list(user.groups):
            self._unlink(
                group_id, user_id, {"prompt": REMOVED, "late": LATE, "never": None}[self.knobs.hard_deleted_members]
            )

    def create_group(self, properties: dict[str, Any], members: Iterable[str] = ()) -> Group:
        """Create a live group with members (ids of users, groups or other objects)."""
        group = self._new(Group(properties), "groupId")
        self.groups[group.id] = group
        self.group_order.append(group)
        self._undo += [lambda: self.groups.pop(group.id), self.group_order.pop]
        self._staged.groups.append((group.id, EVERYTHING))
        for index, member_id in enumerate(members):
            self.add_member(group.id, member_id, field=f"members[{index}]")
        return group

    def update_group(self, group_id: str, properties: dict[str, Any]) -> None:
        """Write properties of a live group."""
        changed = self._write(self.group(group_id), properties)
        if changed:
            self._staged.groups.append((group_id, frozenset(changed)))
            self.application.restyle(group_id)

    def delete_group(self, group_id: str, *, permanent: bool = False) -> None:
        """Delete a group restorably, or for good."""
        group = self.group(group_id, State.LIVE, *([State.SOFT] if permanent else []))
        self._move(group, State.HARD if permanent else State.SOFT, self._staged.groups)
        if permanent:
            self.application.drop(group_id, lsn=self.log.lsn + 1)
            for member_id in list(group.members):
                self._unlink(group_id, member_id, None)
            for parent in [other for other in self.group_order if group_id in other.members]:
                self._unlink(parent.id, group_id, REMOVED)

    def restore_group(self, group_id: str) -> None:
        """Bring a soft-deleted group back with its members."""
        group = self.group(group_id, State.SOFT)
        self._move(group, State.LIVE, self._staged.groups)
        if self.knobs.restore_resends_members:
            self._staged.links += [(group_id, member_id, RESENT) for member_id in group.members]

    def purge(self, *, before: float) -> None:
        """Delete for good what was soft-deleted before an instant, each object in a transaction of its own."""

        def due(found: DirectoryObject) -> bool:
            return found.state is State.SOFT and found.deleted_at is not None and found.deleted_at < before

        for user in [user for user in self.user_order if due(user)]:
            self.hard_delete_user(user.id)
            self.commit()
        for group in [group for group in self.group_order if due(group)]:
            self.delete_group(group.id, permanent=True)
            self.commit()

    def collection(self, kind: str) -> tuple[Mapping[str, DirectoryObject], Sequence[DirectoryObject]]:
        """The objects behind "users", "groups" or "servicePrincipals": by id, and in the order of their making."""
        if kind == "users":
            return self.users, self.user_order
        if kind == "groups":
            return self.groups, self.group_order
        found = self.application.service_principal
        return {found.id: found}, [found]

    def seen(self, found: Kind, lsn: int | None) -> Kind | None:
        """An object as a replica sees it that has seen ``lsn`` only (``None``: everything); ``None`` if it was not there."""
        return found if lsn is None else self.history.seen(found, lsn)

    def members_at(self, group: Group, lsn: int) -> list[str]:
        """The direct members of a group as of an LSN."""
        members = dict.fromkeys(group.members)
        for group_id, member_id, op in reversed(self.log.links.window(lsn, self.log.lsn)):
            if group_id == group.id and op == ADDED:
                members.pop(member_id, None)
            elif group_id == group.id and op == REMOVED:
                members[member_id] = None
        return list(members)

    def add_member(self, group_id: str, member_id: str, *, field: str = "userId") -> None:
        """Make a live user, group or other object a direct member of a live group."""
        group, user = self.group(group_id), self.users.get(member_id)
        _in_state(self.any(member_id), (State.LIVE,), "object", field)
        if member_id in group.members or member_id == group_id:
            raise RefusedError(field, "is a member already, or the group itself")
        group.link(member_id, self.log.lsn + 1)
        self._undo += [group.slot_lsns.pop, group.slots.pop, lambda: group.members.pop(member_id)]
        if user is not None:
            user.groups.append(group_id)
            self._undo.append(lambda: user.groups.remove(group_id))
        self._staged.links.append((group_id, member_id, ADDED))

    def remove_member(self, group_id: str, member_id: str) -> None:
        """End a direct membership."""
        if member_id not in self.group(group_id).members:
            raise RefusedError("userId", "is not a direct member of the group")
        self._unlink(group_id, member_id, REMOVED)

    def assign(self, *, principal_type: str, principal_id: str, role_id: str, created: str) -> Assignment:
        """Assign a live user, group or service principal to the application with a role it does not have yet."""
        known: dict[str, dict[str, Any]] = {"User": self.users, "Group": self.groups}
        things = {k: v for k, v in self.things.items() if v.kind == "servicePrincipal"}
        found = known.get(principal_type, things).get(principal_id)
        principal: DirectoryObject = _in_state(found, (State.LIVE,), principal_type, "principalId")
        return self.application.assign(
            principal, kind=principal_type, role_id=role_id, created=created, lsn=self.log.lsn + 1
        )

    def unassign(self, principal_id: str, role_id: str | None) -> list[str]:
        """Remove the assignment with ``role_id``, or all of the principal; returns the ids removed."""
        return self.application.unassign(principal_id, role_id, lsn=self.log.lsn + 1)

    def change_application(self, properties: dict[str, Any]) -> None:
        """Write properties of the service principal."""
        self.history.stage(self.application.service_principal)
        self.application.change(properties)
        self._staged.applications.append((self.tenant.service_principal_id, frozenset(properties)))

    def move_application(self, state: State) -> None:
        """Delete the service principal, or bring it back."""
        found: ServicePrincipal = self.application.service_principal
        if found.state is state:
            raise RefusedError("", f"the service principal is {state} already")
        self.history.stage(found)
        self.application.move(state)
        self._staged.applications.append((found.id, EVERYTHING))

    def relist(self) -> None:
        """Rebuild the listed rows after the knobs that govern them were turned."""
        self.application.relist(moving=self.knobs.list_paging == "moving")

    def principal(self, assignment: Assignment) -> DirectoryObject:
        """The object that an assignment names, in whatever state."""
        found = self.any(assignment.principal_id)
        assert found is not None
        return found

    def _listed(self, assignment: Assignment) -> bool:
        return self.principal(assignment).state is State.LIVE or not self.knobs.hide_soft_deleted_assignments

    def _new(self, made: Kind, field: str) -> Kind:
        if self.any(made.id) is not None:
            raise RefusedError(field, "an object with this id exists or existed; leave it out to get a new one")
        self.history.stage(made, new=True)
        return made

    def _claim(self, user: User) -> None:
        name = str(user.properties["userPrincipalName"]).casefold()
        if self.by_name.get(name, user.id) != user.id:
            raise RefusedError("properties.userPrincipalName", "another live user has it")
        self.by_name[name] = user.id
        self._undo.append(lambda: self.by_name.pop(name, None))

    def _write(self, target: User | Group, properties: dict[str, Any]) -> dict[str, Any]:
        absent = object()
        old = target.properties
        changed = {k: old.get(k, absent) for k, v in properties.items() if old.get(k, absent) != v}
        if changed:
            self.history.stage(target)
            target.properties = {**old, **properties}
            target.changed()
            self._undo += [target.changed, lambda: setattr(target, "properties", old)]
        return changed

    def _move(self, target: User | Group, state: State, staged: list[tuple[str, frozenset[str]]]) -> None:
        before, deleted_at = target.state, target.deleted_at
        self.history.stage(target)
        target.state = state
        target.deleted_at = None if state is State.LIVE else deleted_at or self.clock.now()
        known = target.id in self.ever_deleted
        self.ever_deleted.add(target.id)

        def undo() -> None:
            target.state, target.deleted_at = before, deleted_at
            if not known:
                self.ever_deleted.discard(target.id)
            self.application.reshow(target.id)

        self._undo.append(undo)
        staged.append((target.id, EVERYTHING))
        self.application.reshow(target.id)

    def _unlink(self, group_id: str, member_id: str, op: int | None) -> None:
        group = self.groups[group_id]
        slot = group.members[member_id]
        group.unlink(member_id)

        def undo() -> None:
            group.members[member_id] = slot
            group.slots[slot] = member_id

        self._undo.append(undo)
        user = self.users.get(member_id)
        if user is not None:
            place = user.groups.index(group_id)
            del user.groups[place]
            self._undo.append(lambda: user.groups.insert(place, group_id))
        if op is not None:
            self._staged.links.append((group_id, member_id, op))


def _in_state(found: Kind | None, states: tuple[State, ...], kind: str, field: str) -> Kind:
    if found is None:
        raise RefusedError(field, f"there is no such {kind}")
    if found.state not in states:
        raise RefusedError(field, f"the {kind} is {found.state}, must be {' or '.join(states)}")
    return found
