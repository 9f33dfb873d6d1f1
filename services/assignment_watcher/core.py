"""What one user or group looks like to a job, decided from the mirror and from what was last said; and when the next cycle starts.

Values in, values out with a reason: no clock, no I/O.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from shared.contracts.assignments import AppRole, Lifecycle
from shared.contracts.message import ObjectType

DEFAULT_ACCESS: Final = AppRole(id="00000000-0000-0000-0000-000000000000", value="", display_name="Default Access")
"""Assigned without a specific role; never among the ``appRoles`` of a service principal (Microsoft Graph, "appRoleAssignment")."""

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

LONGEST_PAUSE_SECONDS: Final = 60.0
"""A source that fails is asked at least this often, or each interval if that is longer."""

JITTERED_FROM_SECONDS: Final = 10.0


class Path(NamedTuple):
    """One way by which an object is assigned: by itself, or (with ``group_id``) as a member of an assigned live group.

    ``nested``: a member of groups in that group only.
    """

    assigned_at: datetime
    assignment_id: str
    group_id: str | None
    role_id: str
    nested: bool = False


class Reason(StrEnum):
    """Why something is said of an object, or why nothing is."""

    FIRST = "assigned for the first time"
    CHANGED = "differs from what was last said"
    UNASSIGNED = "its last path is gone"
    DELETED = "was deleted in the directory"
    UNCHANGED = "equals what was last said"
    NEVER_ASSIGNED = "has no path and never had one"
    NOT_LIVE = "was never said and is not live"
    UNKNOWN = "is known by its assignment only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """What the mirror holds of one user or group. ``attributes`` are Graph properties; null means cleared."""

    object_id: str
    lifecycle: Lifecycle
    attributes: Mapping[str, Any]
    paths: Sequence[Path]
    object_type: ObjectType = ObjectType.USER

    @property
    def assignable(self) -> bool:
        """Return whether an assignment assigns this at all: not a group that is not security-enabled, nor what is gone for good.

        Microsoft Entra, "Manage users and groups assignment to an application": group-based assignment is for security groups.
        """
        if self.lifecycle is Lifecycle.HARD_DELETED:
            return False
        return self.object_type is not ObjectType.GROUP or self.attributes.get("securityEnabled") is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """What was last said of an object: its version, the digest of its state, the time of its last known oldest path.

    ``effective``: by what was said, it is assigned, live, and holds a role that counts.
    """

    version: int
    digest: bytes
    assigned_at: datetime | None
    effective: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What of a job decides: the application's roles by id, the ids of those that count (none: all), the attributes to say by type."""

    roles: Mapping[str, AppRole]
    counting: frozenset[str]
    attributes: Mapping[ObjectType, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The derived state of one object: what a DirectoryAssignment says of it, and the digest that tells whether it is news."""

    lifecycle: Lifecycle
    paths: tuple[Path, ...]
    roles: tuple[AppRole, ...]
    attributes: dict[str, Any]
    assigned_at: datetime | None
    digest: bytes

    @property
    def assigned(self) -> bool:
        """Return whether a path exists, whatever its role."""
        return bool(self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether an object is to be said anew: ``state`` is what to say under ``version``, or nothing; ``reason`` says why.

    ``effective`` says where the object stands now; ``removal`` that saying this ends an effective assignment.
    """

    reason: Reason
    state: State | None = None
    version: int = 0
    effective: bool = False
    removal: bool = False

    @property
    def unknown(self) -> bool:
        """Return whether the object is to be asked for: an assignment names it, but nothing else is known of it."""
        return self.reason is Reason.UNKNOWN


def decide(known: Mirrored, last: Emitted | None, job: Job) -> Decision:
    """Return what is to be said of an object now, given what was ``last`` said.

    Only an object that was said before is said when it has no path or is not live: nobody hears of the rest of the tenant.
    """
    if last is None:
        if not known.paths:
            return Decision(reason=Reason.NEVER_ASSIGNED)
        if known.lifecycle is Lifecycle.UNKNOWN:
            return Decision(reason=Reason.UNKNOWN)
        if known.lifecycle is not Lifecycle.LIVE:
            return Decision(reason=Reason.NOT_LIVE)
    state = derive(known, last, job)
    effective = is_effective(state, job.counting)
    if last is None:
        return Decision(reason=Reason.FIRST, state=state, version=1, effective=effective)
    if state.digest == last.digest:
        return Decision(reason=Reason.UNCHANGED, effective=effective)
    reason = Reason.CHANGED
    if state.lifecycle is not Lifecycle.LIVE:
        reason = Reason.DELETED
    elif not state.paths:
        reason = Reason.UNASSIGNED
    return Decision(
        reason=reason,
        state=state,
        version=last.version + 1,
        effective=effective,
        removal=last.effective and not effective,
    )


def is_effective(state: State, counting: frozenset[str]) -> bool:
    """Return whether an object is assigned in the sense of the job: live, and by a path with a role that counts."""
    if state.lifecycle is not Lifecycle.LIVE:
        return False
    return any(not counting or path.role_id in counting for path in state.paths)


def derive(known: Mirrored, last: Emitted | None, job: Job) -> State:
    """Return the derived state: the same mirror gives the same digest, in whatever order its rows come."""
    paths = tuple(sorted(known.paths, key=_order)) if known.assignable else ()
    held = tuple(role_of(role_id, job.roles) for role_id in sorted({path.role_id for path in paths}))
    properties = as_guest(known.attributes)
    values = {name: value for name in job.attributes[known.object_type] if (value := properties.get(name)) is not None}
    values["id"] = known.object_id
    if known.object_type is ObjectType.GROUP:
        # It tells why a group that the application lists has no path.
        values["securityEnabled"] = properties.get("securityEnabled") is not False
    # The time of an assignment that ended stays: it is what a later reader may want to know of a leaver.
    assigned_at = paths[0].assigned_at if paths else last.assigned_at if last else None
    ways = "\x1e".join(
        [
            f"{path.assigned_at.timestamp()}\x1f{path.assignment_id}\x1f{path.group_id or ''}\x1f{path.role_id}"
            + ("\x1fnested" if path.nested else "")
            for path in paths
        ]
    )
    said = [known.lifecycle, ways, [(role.id, role.value, role.display_name) for role in held], values]
    return State(
        lifecycle=known.lifecycle,
        paths=paths,
        roles=held,
        attributes=values,
        assigned_at=assigned_at,
        digest=hashlib.blake2b(_CANONICAL.encode(said).encode(), digest_size=16).digest(),
    )


def role_of(role_id: str, roles: Mapping[str, AppRole]) -> AppRole:
    """Return the role with its names. One that the application no longer declares stays an id: that is no reason to lose the assignment."""
    if role_id == DEFAULT_ACCESS.id:
        return DEFAULT_ACCESS
    return roles.get(role_id) or AppRole(id=role_id)


def as_guest(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes with the user name of a guest as it is in its own tenant; ``originalUserPrincipalName`` keeps the raw one.

    ``alias_example.com#EXT#@tenant`` becomes ``alias@example.com`` (Microsoft Entra, "Application provisioning": B2B users).
    """
    name = attributes.get("userPrincipalName")
    if not isinstance(name, str) or "#EXT#@" not in name.upper():
        return attributes
    alias, underscore, domain = name[: name.upper().index("#EXT#@")].rpartition("_")
    own = f"{alias}@{domain}" if underscore and alias and domain else name
    return {**attributes, "userPrincipalName": own, "originalUserPrincipalName": name}


def resolve(required: Sequence[str], declared: Sequence[AppRole]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the ids of the roles that a job requires, and those of its names that no role answers to.

    A role is named by its value, its display name or its id. "Default Access" is a name although no application declares it.
    """
    ids: set[str] = set()
    unknown = []
    for name in required:
        found = {
            role.id for role in (*declared, DEFAULT_ACCESS) if name and name in (role.value, role.display_name, role.id)
        }
        ids |= found
        if not found:
            unknown.append(name)
    return frozenset(ids), tuple(unknown)


def _order(path: Path) -> tuple[datetime, str, str, str, bool]:
    return path.assigned_at, path.assignment_id, path.group_id or "", path.role_id, path.nested


def pause_after(failures: int, interval: float, jitter: float = 0.0) -> float:
    """Return how many seconds after its start a cycle is followed by the next one, after so many failures in a row.

    ``jitter`` between -1 and 1 moves it by up to a tenth, so that jobs do not poll in step; short intervals are kept as they are.
    """
    if failures:
        return max(interval, min(LONGEST_PAUSE_SECONDS, 2.0 ** min(failures, 16)))
    return interval * (1 + jitter / 10) if interval >= JITTERED_FROM_SECONDS else interval
