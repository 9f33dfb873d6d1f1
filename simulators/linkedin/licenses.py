"""SCIM configurations, their tokens, and the license ledger behind them.

The token alone picks the configuration; the configuration says whether users that are created get a license, of which type and
from which application instance. Seats are never visible over SCIM.
"""

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from simulators.linkedin.errors import GatewayError


@dataclass(slots=True, kw_only=True, eq=False)
class Pool:
    """The licenses of one type of one application instance."""

    application_instance: str
    license_type: str
    seats: int
    in_use: int = 0
    month: str = ""
    assigned_this_month: int = 0

    def available(self, *, monthly_cap: bool) -> bool:
        """Whether one more license can be assigned now."""
        if self.in_use >= self.seats:
            return False
        return not (monthly_cap and self.month == _month() and self.assigned_this_month >= self.seats)

    def take(self) -> None:
        """Assign one license; the caller has asked `available`."""
        month = _month()
        if month != self.month:
            self.month, self.assigned_this_month = month, 0
        self.in_use += 1
        self.assigned_this_month += 1


@dataclass(slots=True, kw_only=True, eq=False)
class Configuration:
    """One entry of the SCIM panel; `pool` is None when licenses are not assigned automatically."""

    id: str
    name: str
    auto_assign: bool
    pool: Pool | None
    entitled: bool = True
    expired: bool = False
    created_at: float = field(default_factory=time.time)


class Configurations:
    """All configurations of the enterprise account, their live tokens, and the tokens that are dead."""

    def __init__(self) -> None:
        self._by_id: dict[str, Configuration] = {}
        self._by_token: dict[str, Configuration] = {}
        self._revoked: set[str] = set()
        self._pools: dict[tuple[str, str], Pool] = {}
        self._created = 0
        self._issued = 0

    @property
    def seats(self) -> int:
        """Licenses bought, over all pools."""
        return sum(pool.seats for pool in self._pools.values())

    @property
    def in_use(self) -> int:
        """Licenses assigned, over all pools."""
        return sum(pool.in_use for pool in self._pools.values())

    @property
    def pools(self) -> list[Pool]:
        """The pools in order of creation."""
        return list(self._pools.values())

    @property
    def all(self) -> list[Configuration]:
        """The configurations in order of creation."""
        return list(self._by_id.values())

    def get(self, configuration_id: str) -> Configuration | None:
        """The configuration with this id."""
        return self._by_id.get(configuration_id)

    def create(
        self, *, name: str, auto_assign: bool, application_instance: str, license_type: str, seats: int | None
    ) -> tuple[Configuration, str]:
        """Add a configuration; its token is returned here and never again.

        Configurations that name the same instance and type share one pool; `seats`, if given, is its new size.
        """
        self._created += 1
        pool = None
        if auto_assign:
            pool = self._pools.setdefault(
                (application_instance, license_type),
                Pool(application_instance=application_instance, license_type=license_type, seats=0),
            )
            pool.seats = pool.seats if seats is None else seats
        configuration = Configuration(
            id=f"configuration-{self._created}", name=name, auto_assign=auto_assign, pool=pool
        )
        self._by_id[configuration.id] = configuration
        return configuration, self._issue(configuration)

    def reissue(self, configuration: Configuration) -> str:
        """A new token; the old one is dead at once."""
        self._revoke(configuration)
        configuration.expired = False
        return self._issue(configuration)

    def remove(self, configuration: Configuration) -> None:
        """Remove the configuration and kill its token; licenses already assigned stay."""
        self._revoke(configuration)
        del self._by_id[configuration.id]

    def authenticate(self, authorization: str | None) -> Configuration:
        """The configuration of `Bearer <token>`; GatewayError 401 or 403 in the gateway's shape otherwise."""
        scheme, _, token = (authorization or "").partition(" ")
        if not token or scheme.lower() != "bearer":
            raise GatewayError(401, "Empty oauth2_access_token")
        configuration = self._by_token.get(token)
        if configuration is None:
            if token in self._revoked:
                raise GatewayError(401, "The token used in the request has been revoked by the user", 65601)
            raise GatewayError(401, "Invalid access token", 65600)
        if configuration.expired:
            raise GatewayError(401, "The token used in the request has expired", 65602)
        if not configuration.entitled:
            raise GatewayError(403, "Not enough permissions to access: SCIM", 100)
        return configuration

    def _issue(self, configuration: Configuration) -> str:
        self._issued += 1
        token = f"simulated-token-{self._issued}-{secrets.token_hex(16)}"
        self._by_token[token] = configuration
        return token

    def _revoke(self, configuration: Configuration) -> None:
        for token in [token for token, owner in self._by_token.items() if owner is configuration]:
            del self._by_token[token]
            self._revoked.add(token)


def _month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")
