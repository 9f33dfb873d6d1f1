"""The state of the simulated tenant and the primitive changes to it.

Every change is staged and can be rolled back until :meth:`Directory.commit`, so that a transaction is all or nothing.
"""

import base64
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from simulators.graph.changelog import ADDED, EVERYTHING, REMOVED, RESENT, ChangeLog, Staged
from simulators.graph.entities import Assignment, Group, State, Tenant, User
from simulators.graph.knobs import Knobs
from simulators.graph.roster import Roster

Kind = TypeVar("Kind", User, Group)
LATE = 2
"""Staged only: a removal that the log shows one transaction later."""


class RefusedError(Exception):
    """A change the tenant does not allow. ``field`` names what was wrong with the request."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Directory:
    """Users, groups, memberships and the assignments of one service principal.

    ``user_order`` and ``group_order`` only grow: a position in them stays valid while a round is paged.
    """

    def __init__(self, tenant: Tenant, knobs: Knobs, source: random.Random) -> None:
        self.tenant = tenant
        self.knobs = knobs
        self.random = source
        self.log = ChangeLog()
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.user_order: list[User] = []
        self.group_order: list[Group] = []
        self.by_name: dict[str, str] = {}
        self.assignments: dict[str, Assignment] = {}
        self.by_principal: dict[str, list[str]] = {}
        self.roster = Roster()
        self.ever_deleted: set[str] = set()
        self._staged = Staged()
        self._late: list[tuple[str, str, int]] = []
        self._undo: list[Callable[[], object]] = []

    def new_id(self) -> str:
        """A UUID-shaped id, the next in the sequence that the seed determines."""
        bits = f"{self.random.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-8{bits[17:20]}-{bits[20:]}"

    def commit(self) -> int:
        """Make everything staged visible at one new LSN, which is returned."""
        late, self._late = self._late, [link for link in self._staged.links if link[2] == LATE]
        self._staged.links = [*late, *(link for link in self._staged.links if link[2] != LATE)]
        self._staged.links = [
            (group, member, REMOVED if op == LATE else op) for group, member, op in self._staged.links
        ]
        lsn = self.log.commit(self._staged)
        self._staged = Staged()
        self._undo.clear()
        return lsn

    def roll_back(self) -> None:
        """Undo everything since the last commit."""
        while self._undo:
            self._undo.pop()()
        self._staged = Staged()

    def user(self, user_id: str, *states: State, field: str = "userId") -> User:
        """The user in one of ``states`` (live when none is given); raises :class:`RefusedError`."""
        user = self.users.get(user_id)
        return _in_state(user, states or (State.LIVE,), "user", field)

    def group(self, group_id: str, *states: State, field: str = "groupId") -> Group:
        """The group in one of ``states`` (live when none is given); raises :class:`RefusedError`."""
        group = self.groups.get(group_id)
        return _in_state(group, states or (State.LIVE,), "group", field)

    def create_user(self, properties: dict[str, Any]) -> User:
        """Create a live user from properties with ``id`` and a free ``userPrincipalName``."""
        if properties["id"] in self.users or properties["id"] in self.groups:
            raise RefusedError("userId", "an object with this id exists or existed; leave it out to get a new one")
        user = User(properties)
        self._claim(user)
        self.users[user.id] = user
        self.user_order.append(user)
        self._undo += [lambda: self.users.pop(user.id), self.user_order.pop]
        self._staged.users.append((user.id, EVERYTHING))
        return user

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
            self._restyle(user_id)

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
        self._drop_assignments(user_id)
        for group_id in list(user.groups):
            self._unlink(
                group_id, user_id, {"prompt": REMOVED, "late": LATE, "never": None}[self.knobs.hard_deleted_members]
            )

    def create_group(self, properties: dict[str, Any], members: Iterable[str] = ()) -> Group:
        """Create a live group with members (ids of users or groups)."""
        if properties["id"] in self.users or properties["id"] in self.groups:
            raise RefusedError("groupId", "an object with this id exists or existed; leave it out to get a new one")
        group = Group(properties)
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
            self._restyle(group_id)

    def delete_group(self, group_id: str, *, permanent: bool = False) -> None:
        """Delete a group restorably, or for good."""
        group = self.group(group_id, State.LIVE, *([State.SOFT] if permanent else []))
        self._move(group, State.HARD if permanent else State.SOFT, self._staged.groups)
        if permanent:
            self._drop_assignments(group_id)
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

    def add_member(self, group_id: str, member_id: str, *, field: str = "userId") -> None:
        """Make a live user or group a direct member of a live group."""
        group = self.group(group_id)
        user = None if member_id in self.groups else self.user(member_id, field=field)
        if member_id in self.groups:
            self.group(member_id, field=field)
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
        """Assign a live user or group to the application with a role it does not have yet."""
        if principal_type == "User":
            self.user(principal_id, field="principalId")
        else:
            self.group(principal_id, field="principalId")
        held = self.by_principal.setdefault(principal_id, [])
        if any(self.assignments[other].role_id == role_id for other in held):
            raise RefusedError("role", "the principal has this role already; unassign it first")
        assignment = Assignment(
            id=self._assignment_id(),
            role_id=role_id,
            principal_type=principal_type,
            principal_id=principal_id,
            created=created,
        )
        self._enlist(assignment)
        self._undo.append(lambda: self._strike(assignment))
        return assignment

    def unassign(self, principal_id: str, role_id: str | None) -> list[str]:
        """Remove the assignment with ``role_id``, or all of the principal; returns the ids removed."""
        held = self.by_principal.get(principal_id, [])
        gone = [self.assignments[a] for a in held if role_id in (None, self.assignments[a].role_id)]
        if not gone:
            raise RefusedError("principalId", "has no such assignment")
        for assignment in gone:
            self._strike(assignment)
            self._undo.append(partial(self._enlist, assignment))
        return [assignment.id for assignment in gone]

    def relist(self) -> None:
        """Rebuild the listed rows after the knobs that govern them were turned."""
        self.roster = Roster()
        self.roster.moving = self.knobs.list_paging == "moving"
        for assignment in self.assignments.values():
            self._show(assignment)

    def principal(self, assignment: Assignment) -> User | Group:
        """The user or group that an assignment names, in whatever state."""
        return (self.users if assignment.principal_type == "User" else self.groups)[assignment.principal_id]

    def _assignment_id(self) -> str:
        return base64.urlsafe_b64encode(self.random.randbytes(32)).decode().rstrip("=")

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
            target.properties = {**old, **properties}
            target.changed()
            self._undo += [target.changed, lambda: setattr(target, "properties", old)]
        return changed

    def _move(self, target: User | Group, state: State, staged: list[tuple[str, frozenset[str]]]) -> None:
        before = target.state
        target.state = state
        known = target.id in self.ever_deleted
        self.ever_deleted.add(target.id)

        def undo() -> None:
            target.state = before
            if not known:
                self.ever_deleted.discard(target.id)
            self._reshow(target.id)

        self._undo.append(undo)
        staged.append((target.id, EVERYTHING))
        self._reshow(target.id)

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

    def _drop_assignments(self, principal_id: str) -> None:
        if self.by_principal.get(principal_id):
            self.unassign(principal_id, None)

    def _enlist(self, assignment: Assignment) -> None:
        self.assignments[assignment.id] = assignment
        self.by_principal.setdefault(assignment.principal_id, []).append(assignment.id)
        self._show(assignment)

    def _strike(self, assignment: Assignment) -> None:
        del self.assignments[assignment.id]
        self.by_principal[assignment.principal_id].remove(assignment.id)
        self.roster.discard(assignment.id)

    def _show(self, assignment: Assignment) -> None:
        if self.principal(assignment).state is State.LIVE or not self.knobs.hide_soft_deleted_assignments:
            self.roster.add(assignment)
        else:
            self.roster.discard(assignment.id)

    def _reshow(self, principal_id: str) -> None:
        for assignment_id in self.by_principal.get(principal_id, ()):
            self._show(self.assignments[assignment_id])

    def _restyle(self, principal_id: str) -> None:
        for assignment_id in self.by_principal.get(principal_id, ()):
            self.assignments[assignment_id].json = None


def _in_state(found: Kind | None, states: tuple[State, ...], kind: str, field: str) -> Kind:
    if found is None:
        raise RefusedError(field, f"there is no such {kind}")
    if found.state not in states:
        raise RefusedError(field, f"the {kind} is {found.state}, must be {' or '.join(states)}")
    return found
