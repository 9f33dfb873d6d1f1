"""Bearer tokens of operators and the sign-ins of browsers: only their SHA-256 is kept, and what they may do is looked up each time."""

import hashlib
import json
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.console.store import QUERIES
from shared.runtime.database import Connection

DEFAULT_LIFETIME: Final = timedelta(days=90)
LONGEST_LIFETIME: Final = timedelta(days=730)
LONGEST_NAME: Final = 100
_BASE62: Final = string.digits + string.ascii_letters
_RANDOM_CHARACTERS: Final = 43
"""43 characters of base 62 hold 256 bits: enough that a plain SHA-256 is a safe way to keep it."""


class Role(StrEnum):
    """What an operator may do; each role may do what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, least: "Role") -> bool:
        """Return whether this role may do what ``least`` may."""
        return _LEVEL[self] >= _LEVEL[least]


_LEVEL: Final = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who asks: the name and role of the token that was shown."""

    token_id: UUID
    name: str
    role: Role


async def create_token(
    connection: Connection, name: str, role: Role | str, *, lifetime: timedelta = DEFAULT_LIFETIME
) -> str:
    """Create a token and return it; it cannot be shown again. The creation is in the operators' audit log.

    ``connection`` may have any search path. Raises ``ValueError`` saying what is wrong with name, role or lifetime.
    """
    if role not in list(Role):
        raise ValueError(f"the role must be one of {', '.join(Role)}")
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"the name must have 1 to {LONGEST_NAME} printable characters")
    if not timedelta(0) < lifetime <= LONGEST_LIFETIME:
        raise ValueError(f"the lifetime must be positive and at most {LONGEST_LIFETIME.days} days")
    now = datetime.now(UTC)
    token = f"seatkeeper_{Role(role)}_{''.join(secrets.choice(_BASE62) for _ in range(_RANDOM_CHARACTERS))}"
    async with connection.transaction():
        token_id = await connection.fetchval(QUERIES.insert_token, name, role, _sha256(token), now + lifetime)
        details = json.dumps({"name": name, "role": role, "expiresAt": (now + lifetime).isoformat()})
        await connection.execute(QUERIES.audit_token, now, token_id, details)
    return token


async def find_operator(connection: Connection, token: str) -> Operator | None:
    """Return whose token this is, or nothing when it is unknown, expired or revoked."""
    return await _operator(connection, QUERIES.find_token, token)


async def start_session(connection: Connection, operator: Operator, lifetime: timedelta) -> str:
    """Return the opaque id of a new browser session; it ends with its lifetime, or with the token."""
    session = secrets.token_urlsafe(32)
    await connection.execute(QUERIES.insert_session, _sha256(session), operator.token_id, lifetime)
    return session


async def find_session(connection: Connection, session: str) -> Operator | None:
    """Return whose session this is, or nothing when it or its token has ended."""
    return await _operator(connection, QUERIES.find_session, session)


async def end_session(connection: Connection, session: str) -> None:
    """End a browser session."""
    await connection.execute(QUERIES.delete_session, _sha256(session))


async def _operator(connection: Connection, query: str, secret: str) -> Operator | None:
    row = await connection.fetchrow(query, _sha256(secret))
    if row is None:
        return None
    if row["touch"]:
        await connection.execute(QUERIES.touch_token, row["token_id"])
    return Operator(token_id=row["token_id"], name=row["name"], role=Role(row["role"]))


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
