"""One request to ``/v1.0``: its options, its right to be answered, and the links it may give out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.graph.odata import GraphError, Options

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

from urllib.parse import quote, urlencode

ANY_OF = {
    "application": ("Application.Read.All", "Application.ReadWrite.OwnedBy", "Directory.Read.All"),
    "user": ("User.Read.All", "Directory.Read.All"),
    "group": ("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"),
}


@dataclass(slots=True, kw_only=True)
class Call:
    """``path`` is the decoded path with ``/v1.0``; ``origin`` is scheme, host and port as the caller wrote them."""

    sim: "Simulation"
    path: str
    origin: str
    options: Options
    authorization: str | None
    prefer: str
    roles: tuple[str, ...] = ()

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

    def may_read(self, kind: str) -> bool:
        """Whether the token carries an application permission to read ``kind``."""
        return any(role in self.roles for role in ANY_OF[kind])

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
