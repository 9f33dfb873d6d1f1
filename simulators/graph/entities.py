"""The objects of the simulated tenant (Microsoft Graph "user", "group", "appRoleAssignment" resource types)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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


class State(StrEnum):
    """Where an object is in its life: live, soft-deleted (restorable), or gone for good."""

    LIVE = "live"
    SOFT = "soft"
    HARD = "hard"


class Projection:
    """One ``$select``: which properties are written, and whether never-set ones are left out or ``null``.

    Compared by identity: obtain it from :class:`simulators.graph.odata.Projections`, which interns it.
    """

    __slots__ = ("members", "names", "sparse", "surfacing")

    def __init__(self, *, names: tuple[str, ...], members: bool, sparse: bool) -> None:
        self.names = ("id", *(name for name in names if name != "id"))
        self.members = members
        self.sparse = sparse
        self.surfacing = frozenset(names)

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

    __slots__ = ("_json", "_projection", "properties", "state")

    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties
        self.state = State.LIVE
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

    def changed(self) -> None:
        """Forget the kept JSON, because a property was written."""
        self._projection = None


class User(DirectoryObject):
    """A user, and the groups it is a direct member of."""

    __slots__ = ("groups",)

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        self.groups: list[str] = []


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

    def unlink(self, member_id: str) -> None:
        """Remove a member; its slot stays empty for ever."""
        self.slots[self.members.pop(member_id)] = None


@dataclass(slots=True, kw_only=True)
class Assignment:
    """An appRoleAssignment of the one service principal. It can be created and removed, never updated."""

    id: str
    role_id: str
    principal_type: str
    principal_id: str
    created: str
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
