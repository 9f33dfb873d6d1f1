"""SCIM requests as values: prepared here without a socket, sent by the gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import orjson

from services.scim_writer.resources import nested
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScimRequest:
    """One request: the method, the path and query below the Tenant URL (percent-encoded), and the JSON body."""

    kind: Kind
    method: str
    path: str
    body: bytes | None = None


def look(matching: MatchingValue) -> ScimRequest:
    """Return the search for accounts that have the matching value: one ``eq`` and nothing else (RFC 7644, section 3.4.2.2)."""
    value = orjson.dumps(matching.value).decode()
    condition = quote(f"{matching.attribute} eq {value}", safe=_SAFE)
    return ScimRequest(kind=Kind.LOOK, method="GET", path=f"/Users?filter={condition}")


def read(target_id: str) -> ScimRequest:
    """Return the request for one account by its id (RFC 7644, section 3.4.1)."""
    return ScimRequest(kind=Kind.READ, method="GET", path=_account(target_id))


def create(resource: Mapping[str, Any]) -> ScimRequest:
    """Return the creation of an account from a flat resource (RFC 7644, section 3.3)."""
    return ScimRequest(kind=Kind.CREATE, method="POST", path="/Users", body=orjson.dumps(nested(resource)))


def patch(target_id: str, operations: Sequence[Mapping[str, Any]]) -> ScimRequest:
    """Return the modification of an account (RFC 7644, section 3.5.2)."""
    body = orjson.dumps({"schemas": [PATCH_OP], "Operations": operations})
    return ScimRequest(kind=Kind.PATCH, method="PATCH", path=_account(target_id), body=body)


def delete(target_id: str) -> ScimRequest:
    """Return the removal of an account (RFC 7644, section 3.6)."""
    return ScimRequest(kind=Kind.DELETE, method="DELETE", path=_account(target_id))


def _account(target_id: str) -> str:
    return f"/Users/{quote(target_id, safe=_SAFE)}"
