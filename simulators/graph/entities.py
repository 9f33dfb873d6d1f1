"""The objects of the simulated tenant (Microsoft Graph "user", "group", "appRoleAssignment" resource types)."""

from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import orjson

DEFAULT_ACCESS_ROLE_ID = "00000000-0000-0000-0000-000000000000"
"""The appRoleId of an assignment without a specific role; never listed in ``appRoles``."""

USER_TEXT = frozenset(
    {
        *("userPrincipalName", "displayName", "givenName", "surname", "mail", "jobTitle", "department", "city"),
        *("userType", "employeeId", "mobilePhone", "officeLocation", "preferredLanguage", "companyName"),
        *("country", "state", "usageLocation", "postalCode", "streetAddress", "mailNickname", "employeeType"),
    }
)
"""User properties that hold text and may be written by a transaction."""
USER_PROPERTIES = USER_TEXT | {"id", "accountEnabled", "businessPhones", "createdDateTime", "deletedDateTime"}
USER_DEFAULTS = (
    *("id", "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation"),
    *("preferredLanguage", "surname", "userPrincipalName"),
)
GROUP_TEXT = frozenset({"displayName", "description", "mail", "mailNickname", "visibility"})
GROUP_PROPERTIES = GROUP_TEXT | {
    *("id", "securityEnabled", "mailEnabled", "groupTypes", "createdDateTime", "deletedDateTime"),
}
GROUP_DEFAULTS = ("id", "displayName", "description", "mail", "securityEnabled", "groupTypes", "visibility")


SERVICE_PRINCIPAL_PROPERTIES = frozenset(
    {
        *(
            "id",
            "appId",
            "displayName",
            "accountEnabled",
            "appRoleAssignmentRequired",
            "servicePrincipalType",
            "appRoles",
        ),
        *("deletedDateTime", "tags", "servicePrincipalNames"),
    }
)
SERVICE_PRINCIPAL_DEFAULTS = (
    *("id", "appId", "displayName", "accountEnabled", "appRoleAssignmentRequired", "servicePrincipalType", "appRoles"),
)


class State(StrEnum):
    """Where an object is in its life: live, soft-deleted (restorable), or gone for good."""

    LIVE = "live"
    SOFT = "soft"
    HARD = "hard"


class Projection:
    """One ``$select``: which properties are written, and whether never-set ones are left out or ``null``.

    Compared by identity: obtain it from :class:`simulators.graph.odata.Projections`, which interns it.
    """

    __slots__ = ("manager", "members", "names", "sparse", "surfacing")

    def __init__(self, *, names: tuple[str, ...], members: bool, sparse: bool, manager: bool = False) -> None:
        self.names = ("id", *(name for name in names if name != "id"))
        self.members = members
        self.manager = manager
        self.sparse = sparse
        self.surfacing = frozenset((*names, "manager") if manager else names)

    def render(self, properties: dict[str, Any]) -> bytes:
        """The JSON object of the selected properties."""
        if self.sparse:
            return keepable({name: properties[name] for name in self.names if name in properties})
        return keepable({name: properties.get(name) for name in self.names})


def keepable(body: dict[str, Any]) -> bytes:
    """The JSON of ``body`` in memory of its own size.

    What orjson returns holds on to a much larger buffer: kept for 100,000 objects that is 3 KiB and 12 us each.
    """
    return memoryview(orjson.dumps(body)).tobytes()


class DirectoryObject:
    """What users and groups share: an id, a state, properties, and their JSON under the last projection."""

    __slots__ = ("_json", "_projection", "deleted_at", "properties", "state")

    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties
        self.state = State.LIVE
        self.deleted_at: float | None = None
        self._projection: Projection | None = None
        self._json = b""

    @property
    def id(self) -> str:
        """The object id, a lower-case UUID."""
        identifier: str = self.properties["id"]
        return identifier

    def json(self, projection: Projection) -> bytes:
        """The JSON of this object under ``projection``; kept until the object changes."""
        if self._projection is not projection:
            self._json = projection.render(self.properties)
            self._projection = projection
        return self._json

    def past(self, state: State, properties: dict[str, Any]) -> Self:
        """The same object with a state and properties of the past; memberships are those of today."""
        made = copy(self)
        made.state, made.properties = state, properties
        made.changed()
        return made

    def changed(self) -> None:
        """Forget the kept JSON, because a property was written."""
        self._projection = None


class User(DirectoryObject):
    """A user, the groups it is a direct member of, and the users whose manager it is.

    Its own manager is kept among its properties, under ``manager``, although it is a relationship: delta query gives it on ``$select``.
    """

    __slots__ = ("groups", "reports")

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        self.groups: list[str] = []
        self.reports: set[str] = set()


class Group(DirectoryObject):
    """A group and its direct members.

    ``slots`` only ever grows (a removal leaves ``None``), so that a position in it stays valid for as long as
    a round of paging lasts; ``slot_lsns`` holds the LSN that filled each slot, in ascending order.
    """

    __slots__ = ("members", "slot_lsns", "slots")

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        self.members: dict[str, int] = {}
        self.slots: list[str | None] = []
        self.slot_lsns: list[int] = []

    def link(self, member_id: str, lsn: int) -> None:
        """Make ``member_id`` a member as of ``lsn``."""
        self.members[member_id] = len(self.slots)
        self.slots.append(member_id)
        self.slot_lsns.append(lsn)

    def fill(self, member_ids: list[str]) -> None:
        """Give an empty group its first members."""
        self.slots = list(member_ids)
        self.slot_lsns = [1] * len(member_ids)
        self.members = {member_id: place for place, member_id in enumerate(member_ids)}

    def unlink(self, member_id: str) -> None:
        """Remove a member; its slot stays empty for ever."""
        self.slots[self.members.pop(member_id)] = None


class Thing(DirectoryObject):
    """Another kind of object that groups may contain: "servicePrincipal", "device", "orgContact", or one that is unknown."""

    __slots__ = ("kind",)

    def __init__(self, kind: str, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        self.kind = kind


@dataclass(slots=True, kw_only=True)
class Assignment:
    """An appRoleAssignment of the one service principal. It can be created and removed, never updated.

    ``since`` and ``until`` are the LSNs of its making and removal; ``until`` is 0 while it exists.
    """

    id: str
    role_id: str
    principal_type: str
    principal_id: str
    created: str
    since: int = 1
    until: int = 0
    json: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRole:
    """An app role that the service principal declares."""

    id: str
    value: str
    display_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The constants of one seed: the tenant, the client that reads it, and the application it reads about."""

    id: str
    client_id: str
    client_secret: str
    service_principal_id: str
    app_id: str
    app_display_name: str
    roles: tuple[AppRole, ...]


def role_json(role_id: str, value: str, display_name: str, *, enabled: bool = True) -> dict[str, Any]:
    """An entry of ``appRoles``."""
    return {
        "id": role_id,
        "value": value,
        "displayName": display_name,
        "description": display_name,
        "isEnabled": enabled,
        "allowedMemberTypes": ["User"],
        "origin": "Application",
    }


class ServicePrincipal(DirectoryObject):
    """The service principal of the application, with the roles it declares."""

    __slots__ = ()

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(
            {
                "id": tenant.service_principal_id,
                "appId": tenant.app_id,
                "displayName": tenant.app_display_name,
                "accountEnabled": True,
                "appRoleAssignmentRequired": True,
                "servicePrincipalType": "Application",
                "appRoles": [role_json(role.id, role.value, role.display_name) for role in tenant.roles],
            }
        )
