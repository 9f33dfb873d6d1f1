"""OData query options and the error envelope ("Use query parameters", "Microsoft Graph error responses")."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from simulators.graph.entities import (
    GROUP_DEFAULTS,
    GROUP_PROPERTIES,
    SERVICE_PRINCIPAL_DEFAULTS,
    SERVICE_PRINCIPAL_PROPERTIES,
    USER_DEFAULTS,
    USER_PROPERTIES,
    Projection,
)

OPTIONS = frozenset(
    {"$select", "$filter", "$top", "$skiptoken", "$deltatoken", "$orderby", "$expand", "$search", "$count"}
)
TYPES = {
    "user": (USER_PROPERTIES, USER_DEFAULTS),
    "group": (GROUP_PROPERTIES, GROUP_DEFAULTS),
    "servicePrincipal": (SERVICE_PRINCIPAL_PROPERTIES, SERVICE_PRINCIPAL_DEFAULTS),
}
_ID_CLAUSE = re.compile(r"id eq '([^']*)'", re.IGNORECASE)


class GraphError(Exception):
    """An answer in the Graph error envelope, with more response headers if need be."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def bad_request(message: str) -> GraphError:
    """400 Request_BadRequest."""
    return GraphError(400, "Request_BadRequest", message)


def unsupported(message: str) -> GraphError:
    """400 Request_UnsupportedQuery."""
    return GraphError(400, "Request_UnsupportedQuery", message)


def not_found(identifier: str) -> GraphError:
    """404 Request_ResourceNotFound."""
    reason = "does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", f"Resource '{identifier}' {reason}")


@dataclass(slots=True, kw_only=True)
class Options:
    """The query of a request: OData options under their lower-case names, and every other parameter in order."""

    known: dict[str, str] = field(default_factory=dict)
    unknown: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """The value of an OData option, or ``None``."""
        return self.known.get(name)

    def only(self, *allowed: str) -> None:
        """Refuse options that this resource does not support."""
        for name in self.known:
            if name not in allowed:
                raise unsupported(f"The query option '{name}' is not supported here.")


def parse_options(pairs: list[tuple[str, str]]) -> Options:
    """Sort query parameters; a name that begins with ``$`` and is no OData option is an error, so typos fail loudly."""
    options = Options()
    for name, value in pairs:
        folded = name.casefold()
        if folded in OPTIONS:
            options.known[folded] = value
        elif folded.startswith("$"):
            raise bad_request(f"The query parameter '{name[:40]}' is not supported.")
        else:
            options.unknown.append((name, value))
    return options


@lru_cache(maxsize=256)
def project(kind: str, select: str | None, *, sparse: bool, delta: bool = False) -> Projection:
    """The interned projection of ``$select`` on "user", "group" or "servicePrincipal"; never-set properties are omitted when ``sparse``.

    Raises :class:`GraphError` for a property that the type does not have.
    """
    known, defaults = TYPES[kind]
    if select is None:
        return Projection(names=defaults, members=delta and kind == "group", sparse=sparse)
    asked = [name.strip() for name in select.split(",") if name.strip()]
    canonical = {name.casefold(): name for name in known}
    members = delta and kind == "group" and any(name.casefold() == "members" for name in asked)
    manager = delta and kind == "user" and any(name.casefold() == "manager" for name in asked)
    links = {"members"} if members else {"manager"} if manager else set()
    names = [name for name in asked if name.casefold() not in links]
    for name in names:
        if name.casefold() not in canonical:
            raise bad_request(f"Could not find a property named '{name[:60]}' on type 'microsoft.graph.{kind}'.")
    written = tuple(canonical[name.casefold()] for name in names)
    return Projection(names=written, members=members, manager=manager, sparse=sparse)


def filter_ids(text: str | None) -> tuple[str, ...]:
    """The ids of ``id eq '..' or id eq '..'``, at most 50 ("Use delta query to track changes")."""
    if text is None:
        return ()
    clauses = re.split(r"\s+or\s+", text.strip(), flags=re.IGNORECASE)
    found = [_ID_CLAUSE.fullmatch(clause.strip()) for clause in clauses]
    ids = tuple(match.group(1).casefold() for match in found if match)
    if len(ids) != len(clauses):
        raise unsupported("The specified filter is not supported: only id eq '{id}', combined by or.")
    if len(ids) > 50:
        raise bad_request("Too many child clauses specified in search filter expression: at most 50 ids.")
    return tuple(dict.fromkeys(ids))
