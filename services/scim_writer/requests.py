"""SCIM requests as values: prepared here without a socket, sent by the gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import orjson

from services.scim_writer.resources import CORE_GROUP, CORE_USER, nested
from shared.contracts.changes import MatchingValue

PATCH_OP: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_SAFE: Final = "-._~"


class Kind(StrEnum):
    """What a request is for; an answer is judged by it."""

    LOOK = "look"
    READ = "read"
    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"

    @property
    def writes(self) -> bool:
        """Return whether the request changes something at the target."""
        return self in _WRITES


_WRITES: Final = frozenset({Kind.CREATE, Kind.PATCH, Kind.DELETE})


class Endpoint(StrEnum):
    """The endpoint of a resource type (RFC 7644, section 3.2)."""

    USERS = "/Users"
    GROUPS = "/Groups"

    @property
    def noun(self) -> str:
        """Return what one resource of it is called in messages."""
        return "account" if self is Endpoint.USERS else "group"


_SCHEMA: Final = {Endpoint.USERS: CORE_USER, Endpoint.GROUPS: CORE_GROUP}
# A group may have tens of thousands of members; they are never asked for.
_WITHOUT_MEMBERS: Final = "excludedAttributes=members"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScimRequest:
    """One request: the method, the path and query below the Tenant URL (percent-encoded), and the JSON body."""

    kind: Kind
    method: str
    path: str
    body: bytes | None = None
    endpoint: Endpoint = Endpoint.USERS


def look(matching: MatchingValue, endpoint: Endpoint = Endpoint.USERS) -> ScimRequest:
    """Return the search for what has the matching value: one ``eq`` and nothing else (RFC 7644, section 3.4.2.2)."""
    value = orjson.dumps(matching.value).decode()
    condition = "filter=" + quote(f"{matching.attribute} eq {value}", safe=_SAFE)
    query = condition if endpoint is Endpoint.USERS else f"{_WITHOUT_MEMBERS}&{condition}"
    return ScimRequest(kind=Kind.LOOK, method="GET", path=f"{endpoint}?{query}", endpoint=endpoint)


def read(target_id: str, endpoint: Endpoint = Endpoint.USERS) -> ScimRequest:
    """Return the request for one account, or for one group without its members, by its id (RFC 7644, section 3.4.1)."""
    path = _resource(endpoint, target_id)
    query = "" if endpoint is Endpoint.USERS else f"?{_WITHOUT_MEMBERS}"
    return ScimRequest(kind=Kind.READ, method="GET", path=path + query, endpoint=endpoint)


def create(resource: Mapping[str, Any], endpoint: Endpoint = Endpoint.USERS) -> ScimRequest:
    """Return the creation of an account or a group from a flat resource (RFC 7644, section 3.3)."""
    body = orjson.dumps(nested(resource, _SCHEMA[endpoint]))
    return ScimRequest(kind=Kind.CREATE, method="POST", path=endpoint, body=body, endpoint=endpoint)


def patch(target_id: str, operations: Sequence[Mapping[str, Any]], endpoint: Endpoint = Endpoint.USERS) -> ScimRequest:
    """Return the modification of an account or a group (RFC 7644, section 3.5.2)."""
    body = orjson.dumps({"schemas": [PATCH_OP], "Operations": operations})
    path = _resource(endpoint, target_id)
    return ScimRequest(kind=Kind.PATCH, method="PATCH", path=path, body=body, endpoint=endpoint)


def delete(target_id: str, endpoint: Endpoint = Endpoint.USERS) -> ScimRequest:
    """Return the removal of an account or a group (RFC 7644, section 3.6)."""
    return ScimRequest(kind=Kind.DELETE, method="DELETE", path=_resource(endpoint, target_id), endpoint=endpoint)


def _resource(endpoint: Endpoint, target_id: str) -> str:
    return f"{endpoint}/{quote(target_id, safe=_SAFE)}"
