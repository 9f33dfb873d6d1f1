"""The digest of a listing of assignments: equal for the same rows in any order, and computed a page at a time."""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

_MODULUS: Final = 2**128


class AssignmentRow(NamedTuple):
    """One app role assignment. ``principal_type`` is "user", "group" or "servicePrincipal" (app-only, so nobody is assigned by it).

    Ids of directory objects are in lower case.
    """

    assignment_id: str
    principal_type: str
    principal_id: str
    role_id: str
    assigned_at: str | None


class ListingDigest:
    """A sum of row digests (Bellare and Micciancio, "A new paradigm for collision-free hashing", AdHASH): nothing is kept per row."""

    def __init__(self) -> None:
        self._sum = 0
        self.rows = 0

    def add(self, rows: Iterable[AssignmentRow]) -> None:
        """Count rows in."""
        total = self._sum
        for row in rows:
            text = f"{row.assignment_id}\x1f{row.role_id}\x1f{row.principal_type}\x1f{row.principal_id}"
            total += int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
            self.rows += 1
        self._sum = total % _MODULUS

    def value(self) -> bytes:
        """Return the digest of the rows so far."""
        return self._sum.to_bytes(16, "big") + self.rows.to_bytes(8, "big")
