"""The enterprise application: its service principal, the roles it declares, and who is assigned to it."""

import base64
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from simulators.graph.entities import (
    DEFAULT_ACCESS_ROLE_ID,
    Assignment,
    DirectoryObject,
    ServicePrincipal,
    State,
    Tenant,
)
from simulators.graph.refusal import RefusedError
from simulators.graph.roster import Roster


class Application:
    """Assignments by id and by principal, and the roster of those that are listed.

    ``struck`` keeps what was removed, for replicas that have not seen it yet. ``listed`` says whether a principal's rows
    are shown; changes are undone through ``undo``.
    """

    def __init__(
        self,
        tenant: Tenant,
        source: random.Random,
        undo: list[Callable[[], object]],
        listed: Callable[[Assignment], bool],
    ) -> None:
        self.service_principal = ServicePrincipal(tenant)
        self.assignments: dict[str, Assignment] = {}
        self.by_principal: dict[str, list[str]] = {}
        self.struck: list[Assignment] = []
        self.roster = Roster()
        self.role_names = {DEFAULT_ACCESS_ROLE_ID: "Default Access"}
        self._random = source
        self._undo = undo
        self._listed = listed
        self.learn_roles()

    def learn_roles(self) -> None:
        """Remember the values of the declared roles; assignments to a role that is gone later keep its name."""
        self.role_names |= {role["id"]: role["value"] for role in self.service_principal.properties["appRoles"]}

    def role_id(self, role: str) -> str:
        """The id of a declared role by its id, value or display name; raises :class:`RefusedError`."""
        if role in ("Default Access", DEFAULT_ACCESS_ROLE_ID):
            return DEFAULT_ACCESS_ROLE_ID
        for declared in self.service_principal.properties["appRoles"]:
            if role in (declared["id"], declared["value"], declared["displayName"]):
                return str(declared["id"])
        raise RefusedError("role", "the application declares no such role")

    def assign(self, principal: DirectoryObject, *, kind: str, role_id: str, created: str, lsn: int) -> Assignment:
        """Assign a principal with a role it does not have yet."""
        held = self.by_principal.setdefault(principal.id, [])
        if any(self.assignments[other].role_id == role_id for other in held):
            raise RefusedError("role", "the principal has this role already; unassign it first")
        assignment = Assignment(
            id=base64.urlsafe_b64encode(self._random.randbytes(32)).decode().rstrip("="),
            role_id=role_id,
            principal_type=kind,
            principal_id=principal.id,
            created=created,
            since=lsn,
        )
        self._enlist(assignment)
        self._undo.append(lambda: self._strike(assignment))
        return assignment

    def unassign(self, principal_id: str, role_id: str | None, *, lsn: int) -> list[str]:
        """Remove the assignment with ``role_id``, or all of the principal; returns the ids removed."""
        held = self.by_principal.get(principal_id, [])
        gone = [self.assignments[a] for a in held if role_id in (None, self.assignments[a].role_id)]
        if not gone:
            raise RefusedError("principalId", "has no such assignment")
        for assignment in gone:
            self._strike(assignment)
            assignment.until = lsn
            self.struck.append(assignment)
            self._undo += [partial(self._enlist, assignment), self.struck.pop]
        return [assignment.id for assignment in gone]

    def drop(self, principal_id: str, *, lsn: int) -> None:
        """Remove whatever the principal is assigned, because it is gone for good."""
        if self.by_principal.get(principal_id):
            self.unassign(principal_id, None, lsn=lsn)

    def relist(self, *, moving: bool) -> None:
        """Rebuild the listed rows after what governs them has changed."""
        self.roster = Roster()
        self.roster.moving = moving
        for assignment in self.assignments.values():
            self._show(assignment)

    def reshow(self, principal_id: str) -> None:
        """List or hide the rows of a principal whose state has changed."""
        for assignment_id in self.by_principal.get(principal_id, ()):
            self._show(self.assignments[assignment_id])

    def restyle(self, principal_id: str) -> None:
        """Forget the kept rows of a principal that was renamed."""
        for assignment_id in self.by_principal.get(principal_id, ()):
            self.assignments[assignment_id].json = None

    def at(self, lsn: int, hidden: Callable[[Assignment], bool]) -> list[Assignment | None]:
        """The rows as a replica lists them that has seen ``lsn`` only, in the order of their making."""
        found = [a for a in (*self.struck, *self.assignments.values()) if a.since <= lsn and not 0 < a.until <= lsn]
        return [a for a in sorted(found, key=lambda a: a.since) if not hidden(a)]

    def change(self, properties: dict[str, Any]) -> None:
        """Write properties of the service principal; the caller has checked them."""
        target, before, names = self.service_principal, self.service_principal.properties, dict(self.role_names)
        target.properties = {**before, **properties}
        self.learn_roles()

        def undo() -> None:
            target.properties, self.role_names = before, names
            target.changed()

        target.changed()
        self._undo.append(undo)

    def move(self, state: State) -> None:
        """Delete or restore the service principal."""
        target, before = self.service_principal, self.service_principal.state
        target.state = state
        self._undo.append(lambda: setattr(target, "state", before))

    def _enlist(self, assignment: Assignment) -> None:
        assignment.until = 0
        self.assignments[assignment.id] = assignment
        self.by_principal.setdefault(assignment.principal_id, []).append(assignment.id)
        self._show(assignment)

    def _strike(self, assignment: Assignment) -> None:
        del self.assignments[assignment.id]
        self.by_principal[assignment.principal_id].remove(assignment.id)
        self.roster.discard(assignment.id)

    def _show(self, assignment: Assignment) -> None:
        if self._listed(assignment):
            self.roster.add(assignment)
        else:
            self.roster.discard(assignment.id)
