"""One request to ``/v1.0``: its options, its right to be answered, and the links it may give out."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulators.graph.odata import GraphError, Options, unsupported

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

from urllib.parse import quote, urlencode

MOST_ROWS = 999
ANY_OF = {
    "application": ("Application.Read.All", "Application.ReadWrite.OwnedBy", "Directory.Read.All"),
    "user": ("User.Read.All", "Directory.Read.All"),
    "group": ("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"),
    "deleted user": ("User.Read.All", "Directory.Read.All"),
    "deleted group": ("Group.Read.All", "Directory.Read.All"),
    "restorable user": ("User.DeleteRestore.All", "User.ReadWrite.All", "Directory.ReadWrite.All"),
    "restorable group": ("Group.ReadWrite.All", "Directory.ReadWrite.All"),
    "directory object": ("Directory.Read.All",),
}
"""Which application permissions allow what; each one that may write may read too."""


@dataclass(slots=True, kw_only=True)
class Call:
    """``path`` is the decoded path with ``/v1.0``; ``origin`` is scheme, host and port as the caller wrote them.

    ``content`` is the JSON of the body. ``eventual``: ``ConsistencyLevel: eventual`` was sent. ``transactions_behind``: the answer is
    that of a replica which has not seen so many of the newest transactions.
    """

    sim: "Simulation"
    path: str
    origin: str
    options: Options
    authorization: str | None
    prefer: str
    roles: tuple[str, ...] = ()
    eventual: bool = False
    content: Any = None
    transactions_behind: int = 0
    _seen: dict[str, int] = field(default_factory=dict)

    @property
    def minimal(self) -> bool:
        """Whether ``Prefer: return=minimal`` was sent."""
        return "return=minimal" in self.prefer.replace(" ", "").casefold()

    def link(self, query: str) -> str:
        """An absolute link to the same resource; parameters that are no OData options are kept."""
        kept = urlencode(self.options.unknown)
        return f"{self.origin}{quote(self.path, safe='/()=.')}?{kept}{'&' if kept else ''}{query}"

    def authenticate(self) -> None:
        """Raise 401 InvalidAuthenticationToken unless a known, unexpired bearer token of this tenant came along."""
        scheme, _, token = (self.authorization or "").partition(" ")
        if not token or scheme.casefold() != "bearer":
            raise unauthenticated("Access token is empty.")
        claims = self.sim.access.claims(token.strip(), self.sim.clock.now())
        if claims is None or claims["tid"] != self.sim.directory.tenant.id:
            raise unauthenticated("Lifetime validation failed, the token is expired or was not issued here.")
        self.roles = tuple(claims["roles"])
        if self.sim.knobs.consent_revoked:
            raise denied()

    def sees(self, name: str) -> int | None:
        """The LSN of the replica that answers a listing or point read of this type; ``None`` when it has seen everything."""
        replica = self.sim.replica
        if not replica.behind and not self.transactions_behind:
            return None
        if name not in self._seen:
            self._seen[name] = max(1, replica.read(name) - self.transactions_behind)
        lsn = self._seen[name]
        return None if lsn >= self.sim.directory.log.lsn else lsn

    def top(self) -> int:
        """``$top`` of a collection: 100 when absent, at most 999 ("Paging Microsoft Graph data in your app")."""
        text = self.options.get("$top")
        if text is None:
            return 100
        clamps = self.sim.knobs.overlarge_top == "clamp"
        if not text.isdigit() or not 1 <= int(text) <= (MOST_ROWS if not clamps else 1_000_000_000):
            raise unsupported(f"Invalid page size specified: '{text[:20]}'. Must be between 1 and 999 inclusive.")
        return min(int(text), MOST_ROWS)

    def may_read(self, kind: str) -> bool:
        """Whether the token carries an application permission to read ``kind``."""
        held = {*self.roles, *(role.replace(".ReadWrite.", ".Read.") for role in self.roles)}
        return any(role in held for role in ANY_OF[kind])

    def require(self, kind: str) -> None:
        """Raise 403 Authorization_RequestDenied without a permission to read ``kind``."""
        if not self.may_read(kind):
            raise denied()


def unauthenticated(message: str) -> GraphError:
    """401 InvalidAuthenticationToken."""
    return GraphError(
        401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": 'Bearer realm="", error="invalid_token"'}
    )


def denied() -> GraphError:
    """403 Authorization_RequestDenied."""
    return GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
